"""The policy that is improved, as it stays: what it sees of a frame, and the actions that it draws for a noise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.improvement.method import Base, FlowBase
from mstool.training.steering import CELLS, HEADS, WIDTH, begin


@dataclass(frozen=True)
class Seen:
    """B frames: tokens (B, N, W), where to look (B, N), and noise (B * K, H, D) to normalised chunks."""

    tokens: Tensor
    mask: Tensor
    draw: Callable[[Tensor], Tensor]


class FrozenPolicy(Protocol):
    """A policy of some type."""

    @property
    def base(self) -> Base:
        """Its sizes."""

    def see(self, batch: dict[str, Any]) -> Seen:
        """Look at a normalised batch."""


class FrozenFlow:
    """The bundled flow policy: tokens are those of its own encoder; `tokens` of them are ever looked at."""

    def __init__(self, policy: LerobotPolicy, steps: int, tokens: int) -> None:
        config = policy.config
        self._policy = policy.policy
        self.base = FlowBase(
            tokens=tokens,
            width=config.width,
            heads=config.num_heads,
            chunk=config.chunk_size,
            action=config.action_feature.shape[0],
            noise=config.action_feature.shape[0],
            steps=steps,
            expert=policy.policy.average.expert,
            objective=policy.policy.objective,
            sampling=config.num_inference_steps,
        )

    def see(self, batch: dict[str, Any]) -> Seen:
        """Encode."""
        base = self.base
        tokens, mask = (each[:, : base.tokens] for each in self._policy.encode(batch))
        return Seen(tokens, mask, lambda noise: base.draw(base.expert, noise, tokens, mask))


class FrozenSteered:
    """A policy that is steered by its noise alone (`mstool.training.steering`)."""

    def __init__(self, policy: LerobotPolicy, steps: int) -> None:
        config = policy.config
        self._policy, self._features = policy, begin(policy.policy).to(policy.device)
        self.base = Base(
            tokens=len(config.image_features) * CELLS**2 + 2,
            width=WIDTH,
            heads=HEADS,
            chunk=config.chunk_size,
            action=config.action_feature.shape[0],
            noise=config.max_action_dim,
            steps=steps,
        )

    def see(self, batch: dict[str, Any]) -> Seen:
        """Ask for embeddings."""
        tokens, mask = self._features.see(self._policy.policy, batch)
        return Seen(tokens, mask, lambda noise: self._policy.predict(batch, noise))


def freeze(policy: LerobotPolicy, steps: int, tokens: int) -> FrozenPolicy:
    """Return a policy as it stays, of whose chunks so many steps are executed."""
    policy.policy.requires_grad_(requires_grad=False)
    return FrozenFlow(policy, steps, tokens) if policy.config.type == "flow" else FrozenSteered(policy, steps)
