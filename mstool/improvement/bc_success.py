"""The control without a critic: imitation of demos and of the policy's own successes, half of each.

What is left of reinforcement learning where only successes are kept: filtered behaviour cloning.
"""

from torch import Tensor

from mstool.improvement.flow_head import FlowHead
from mstool.improvement.method import Act, FlowBase, Hyper, Losses, Method, Phase
from mstool.improvement.replay import Replay


class BcSuccess(Method):
    """The flow, trained on."""

    offline = False

    def __init__(self, base: FlowBase, hyper: Hyper, device: str, seed: int) -> None:
        super().__init__(base, hyper, device, seed)
        self.flow = FlowHead(self, base, hyper.lr / 3)

    def record(self) -> None:
        """Record the flow."""
        self.flow.record()

    def update(self, demos: Replay | None, own: Replay, phase: Phase) -> Losses:  # noqa: ARG002
        """Learn once."""
        return {"flow": self.flow.learn(self.batch(demos, own, solved=True))}

    def acting(self, player: str) -> Act:  # noqa: ARG002
        """Draw from the average."""
        return self.flow.acting()

    def weights(self, player: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the flow's."""
        return self.flow.weights()
