"""The policy's flow, trained on: imitation of demos and of the policy's own successes.

    |v(x_t, t, z) - (noise - a)|^2,  x_t = t noise + (1 - t) a

as it was trained (`mstool.training.flow.objective`), the encoder frozen. The moving average of
its weights is what acts.
"""

import torch
from torch import Tensor

from mstool.improvement.method import Act, FlowBase, Method, frozen, named
from mstool.improvement.recording import example, record_passes, replayed
from mstool.improvement.rows import Batch
from mstool.training.flow.improved import Draw

DECAY = 0.99


class FlowHead:
    """The action expert that a method goes on training, with its average."""

    def __init__(self, method: Method, base: FlowBase, lr: float) -> None:
        self._method, self.base = method, base
        self.expert = frozen(base.expert).requires_grad_(requires_grad=True)
        self.average = frozen(base.expert)
        method.adam("flow", self.expert, lr)
        method.modules["flow average"] = self.average
        self.draw = self._draw

    def record(self, drawn: int | None = None) -> None:
        """Learn by a CUDA graph, and draw for so many rows by one: ten short passes of the network."""
        self.draw = replayed(self._method, self._draw, *example(self._method, drawn))
        noise, tokens, mask = example(self._method)
        record_passes(self._method, self.expert, noise, noise[:, 0, 0].sigmoid(), tokens, mask)

    def learn(self, batch: Batch) -> float:
        """Do one step on rows of solved episodes."""
        method, objective = self._method, self.base.objective
        noise = method.noise(batch)
        t = objective.times(len(noise), noise.device, method.drawing)
        noisy, target = objective.path(batch.chunk, noise, t)
        with method.autocast():
            predicted = self.expert(noisy, t, batch.tokens, batch.mask)
        error = (predicted.float() - target).square().mean(-1)
        value = method.step("flow", (error * batch.valid).sum() / batch.valid.sum().clamp(min=1))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.expert.parameters()), 1 - DECAY)
        return value

    def _draw(self, noise: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Draw actions with the average."""
        with torch.no_grad(), self._method.autocast():
            return self.base.draw(self.average, noise, context, mask).float()

    def acting(self) -> Act:
        """Draw from the average as it is now."""
        average, base = frozen(self.average), self.base

        def act(_draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                return base.draw(average, noise, context, mask), torch.zeros(len(noise), 0)

        return act

    def weights(self) -> dict[str, Tensor]:
        """Return both under the policy's names."""
        return {**named("model.expert", self.expert), **named("average.expert", self.average)}
