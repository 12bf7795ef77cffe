"""What learns during a run: a method, the rows that it learns from, and how often it has learnt."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mstool.errors import MstoolError
from mstool.improvement.estimate import Estimate
from mstool.improvement.method import Act, Losses, Method, Phase
from mstool.improvement.options import ImproveOptions
from mstool.improvement.players import BEGUN
from mstool.improvement.replay import Replay
from mstool.improvement.rows import Episode, Sizes


@dataclass
class Learner:
    """A method and its rows."""

    options: ImproveOptions
    method: Method
    sizes: Sizes
    takes: Estimate
    updates: int = 0
    # Those on demos alone, in the first phase.
    demo_updates: int = 0
    # Of the last update.
    losses: Losses = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make room for own episodes."""
        self.own = self._replay(self.takes.own_rows)
        self.demos: Replay | None = None

    @property
    def distilled(self) -> bool:
        """Whether a one-step actor has learnt enough from the flow; True where there is none."""
        return len(self.method.players) == 1 or self.updates >= self.options.demo_updates

    def acts(self, players: Iterable[str]) -> dict[str, Act]:
        """Return how each of them acts now."""
        method = self.method
        return {each: method.as_began() if each == BEGUN else method.acting(each) for each in dict.fromkeys(players)}

    def take(self, episodes: Sequence[Episode], players: Sequence[str]) -> None:
        """Keep episodes to learn from, given who played each."""
        for episode, player in zip(episodes, players, strict=True):
            if player != BEGUN or self.method.learns_from_the_policy:
                self.own.add(episode)

    def room_for_demos(self) -> Replay:
        """Return where demos go."""
        self.demos = self._replay(max(1, self.takes.demo_rows))
        return self.demos

    @property
    def fed(self) -> bool:
        """Whether there is anything to learn from."""
        return bool(len(self.own) or (self.demos is not None and len(self.demos)))

    def update(self, phase: Phase, kept: str) -> None:
        """Learn once.

        Parameters
        ----------
        phase
            What is learnt.
        kept
            Says which checkpoint is from before, for the error.

        Raises
        ------
        MstoolError
            A loss, or its gradient, is not finite.

        """
        self.losses = self.method.update(self.demos, self.own, phase)
        self.updates += 1
        self.demo_updates += phase == "demos"
        if not all(map(math.isfinite, self.losses.values())):
            said = ", ".join(f"{name} {value:g}" for name, value in self.losses.items())
            raise MstoolError(
                f"update {self.updates} has a loss or a gradient that is not finite ({said}){kept}",
                fix=self.options.command(lr=self.options.tamer_lr, resume=False, output="runs/ANOTHER"),
            )

    def _replay(self, rows: int) -> Replay:
        device = self.method.device if self.takes.on_device else "cpu"
        return Replay(self.sizes, rows, self.method.hyper.gamma, device)
