"""A policy that remembers what it was asked and what it answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mstool.contract import Array
from mstool.evaluation.policy import Observation, Policy, traits_of


@dataclass
class Trace:
    """One episode as the policy saw it."""

    env_id: str
    seed: int
    # The steps at which it looked, the states (S,) there, and the actions (k, D) that it answered for execution.
    steps: list[int] = field(default_factory=list)
    states: list[Array] = field(default_factory=list)
    actions: list[Array] = field(default_factory=list)
    # {view: the first picture}, uint8 (H, W, 3), and whether any later one differed from it.
    first: Mapping[str, Array] = field(default_factory=dict)
    moved: dict[str, bool] = field(default_factory=dict)

    def all_actions(self) -> Array:
        """Return the actions one after the other, (T, D)."""
        return np.concatenate(self.actions)

    def all_states(self) -> Array:
        """Return the states at the looks, (n, S)."""
        return np.stack(self.states)


class Recorder:
    """Passes everything on to `policy` and keeps one trace per episode; an episode tried again starts its trace anew.

    Parameters
    ----------
    policy
        The policy that acts.
    replan
        How many actions of a chunk are executed; None: all.

    """

    def __init__(self, policy: Policy, replan: int | None) -> None:
        self._policy = policy
        self._replan = replan
        self._open: dict[int, Trace] = {}
        self._traces: dict[tuple[str, int], Trace] = {}
        self.name = policy.name
        self.traits = traits_of(policy)

    @property
    def traces(self) -> list[Trace]:
        """The episodes in which the policy was asked at least once, by task and seed."""
        return [self._traces[key] for key in sorted(self._traces) if self._traces[key].steps]

    def forget(self) -> None:
        """Drop the traces."""
        self._traces.clear()

    def reset(self, slot: int, env_id: str, seed: int) -> None:
        """Begin a trace."""
        self._open[slot] = self._traces[env_id, seed] = Trace(env_id, seed)
        self._policy.reset(slot, env_id, seed)

    def act(self, slots: Sequence[int], observations: Sequence[Observation]) -> list[Array]:
        """Answer as the policy does."""
        answers = self._policy.act(slots, observations)
        for slot, seen, answer in zip(slots, observations, answers, strict=True):
            trace = self._open[slot]
            if not trace.steps:
                trace.first = dict(seen.images)
                trace.moved = dict.fromkeys(seen.images, False)
            for view, picture in seen.images.items():
                trace.moved[view] = trace.moved[view] or not np.array_equal(picture, trace.first[view])
            trace.steps.append(seen.step)
            trace.states.append(seen.state)
            trace.actions.append(np.array(answer if self._replan is None else answer[: self._replan]))
        return answers

    def close(self) -> None:
        """Close the policy."""
        self._policy.close()
