"""The control without a gradient on the policy: a critic picks among N chunks that the frozen policy draws.

    a = argmax_{a_1 .. a_N ~ flow(z)} mean_i Q_i(z, a_n)

which is the policy of Q-chunking (arXiv 2507.07969). The same N chunks stand for the policy at the next look
and in Cal-QL's term, so they are drawn once, when a frame comes into the replay, and kept with it.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from mstool.improvement.critic import CONSERVATIVE, chunk_values
from mstool.improvement.method import Act, Base, Hyper, Losses, Method, Phase, frozen, named
from mstool.improvement.recording import example
from mstool.improvement.replay import Replay
from mstool.training.flow.improved import BestOfN, Draw


class BestOfNMethod(Method):
    """A critic over the policy's own chunks."""

    players: ClassVar[Mapping[str, str]] = {"best-of-n": "best-of-n"}

    def __init__(self, base: Base, hyper: Hyper, device: str, seed: int) -> None:
        super().__init__(base, hyper, device, seed)
        self.values = chunk_values(self, seed)

    @property
    def extra(self) -> tuple[int, ...]:
        """The executed actions of each candidate."""
        return self.hyper.candidates, self.base.steps, self.base.action

    def record(self) -> None:
        """Record the critic."""
        noise, _, _ = example(self)
        self.values.record(self, noise[:, None, : self.base.steps].repeat(1, self.hyper.candidates, 1, 1))

    def update(self, demos: Replay | None, own: Replay, phase: Phase) -> Losses:
        """Learn once."""
        batch = self.batch(demos, own)
        taken = batch.chunk[:, : self.base.steps]
        with self.autocast():
            loss = self.values.loss(batch, taken, self.values.future(batch, batch.next_extra))
            if phase == "demos":
                loss = loss + CONSERVATIVE * self.values.conservative(batch, taken, batch.extra)
        value = self.step("critic", loss)
        self.values.follow()
        return {"critic": value}

    def acting(self, player: str) -> Act:  # noqa: ARG002
        """Pick among the candidates."""
        picker = self._picker()

        def act(draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                chunks = picker.drawn(draw, noise)
                return picker.best(chunks, context, mask), chunks[:, :, : self.base.steps]

        return act

    def as_began(self) -> Act:
        """Take the first candidate, which is the policy's own."""
        picker = self._picker()

        def act(draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
            with torch.no_grad():
                chunks = picker.drawn(draw, noise)
                return chunks[:, 0], chunks[:, :, : self.base.steps]

        return act

    def _picker(self) -> BestOfN:
        return BestOfN(frozen(self.values.critic), self.hyper.candidates, self.base.steps)

    def weights(self, player: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the critic's."""
        return named("sampler.critic", self.values.critic)
