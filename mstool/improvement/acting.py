"""The policy as `eval`'s workers are answered while it learns; keeps what it saw and did, encoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mstool.contract import Array
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.evaluation.policy import Observation, Traits
from mstool.improvement.frozen_policy import FrozenPolicy
from mstool.improvement.method import Act
from mstool.improvement.rows import Episode


@dataclass
class Trace:
    """One episode so far."""

    # Who plays it.
    player: str
    tokens: list[Tensor] = field(default_factory=list)
    masks: list[Tensor] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    # The actions that were sent off for execution, normalised (h, D).
    actions: list[Array] = field(default_factory=list)
    extra: list[Tensor] = field(default_factory=list)

    def episode(self, solved: Array) -> Episode:
        """Return it as the replay takes it, given whether the task was solved after each executed action (T,)."""
        # A last look whose answer was not executed is none: it had NaN.
        count = sum(step < len(solved) for step in self.looks)
        return Episode(
            tokens=torch.stack(self.tokens[:count]),
            mask=torch.stack(self.masks[:count]),
            looks=np.array(self.looks[:count]),
            actions=np.concatenate(self.actions[:count])[: len(solved)],
            solved=solved,
            extra=torch.stack(self.extra[:count]),
        )


class Cancelled(Exception):  # noqa: N818  # not an error: a wish
    """The round is not needed any more."""


class ActingPolicy:
    """Answers observations by the `Act` of who plays an episode; an episode tried again starts its trace anew.

    Parameters
    ----------
    base
        The checkpoint, whose processors are used.
    frozen
        The policy that it holds.
    slots
        The most episodes that run at once.

    """

    traits = Traits()

    def __init__(self, base: LerobotPolicy, frozen: FrozenPolicy, slots: int) -> None:
        self.name = base.name
        self._base, self._frozen, self._slots = base, frozen, slots
        self._open: dict[int, Trace] = {}
        self.traces: dict[tuple[str, int], Trace] = {}
        # Each player's way to act, and who plays which episode: those of a round.
        self.acts: Mapping[str, Act] = {}
        self.players: Mapping[tuple[str, int], str] = {}
        # Ends a round that is under way.
        self.cancelled = False

    def reset(self, slot: int, env_id: str, seed: int) -> None:
        """Begin a trace."""
        self._open[slot] = self.traces[env_id, seed] = Trace(self.players[env_id, seed])

    def act(self, slots: Sequence[int], observations: Sequence[Observation]) -> list[Array]:
        """Answer; a batch always has as many rows as there are slots, as `LerobotPolicy` does it."""
        if self.cancelled:
            raise Cancelled
        traces = [self._open[slot] for slot in slots]
        rows = [*observations, *[observations[0]] * (self._slots - len(observations))]
        with torch.no_grad():
            seen = self._frozen.see(self._base.observe(rows))
            noise = self._base.noise(rows)
            answers = {
                player: self.acts[player](seen.draw, noise, seen.tokens, seen.mask)
                for player in dict.fromkeys(trace.player for trace in traces)
            }
        own = [[part[row] for part in answers[trace.player]] for row, trace in enumerate(traces)]
        chunk, extra = (torch.stack(parts).float() for parts in zip(*own, strict=True))
        kept: tuple[Any, ...] = (seen.tokens.bfloat16().cpu(), seen.mask.cpu(), chunk.cpu().numpy(), extra.cpu())
        for trace, observation, tokens, marks, actions, more in zip(traces, observations, *kept, strict=False):
            trace.tokens.append(tokens)
            trace.masks.append(marks)
            trace.looks.append(observation.step)
            trace.actions.append(actions[: self._frozen.base.steps])
            trace.extra.append(more)
        return self._base.actions(chunk)

    def close(self) -> None:
        """Free the weights."""
        self._base.close()
