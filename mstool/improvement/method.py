"""What a method of improvement is: it learns from replay buffers, and it acts."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from mstool.improvement.replay import Replay, mix
from mstool.improvement.rows import Batch
from mstool.training.flow.improved import Draw
from mstool.training.flow.network import ActionExpert
from mstool.training.flow.objective import Objective

# What is learnt from: demos alone; the critic alone, on the first own episodes too; everything, from both.
Phase = Literal["demos", "critic", "online"]
# The frozen policy's actions for a noise; that noise (B, H, D), tokens (B, N, W), mask (B, N): to a normalised chunk
# (B, H, D), and what the method keeps of it.
type Act = Callable[[Draw, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
type Losses = dict[str, float]

_CLIP = 1.0


@dataclass(frozen=True)
class Base:
    """The frozen policy that is improved, by its sizes."""

    # Of a frame: how many tokens, how wide; heads of attention to them.
    tokens: int
    width: int
    heads: int
    # Actions of a chunk, dimensions of an action and of its noise.
    chunk: int
    action: int
    noise: int
    # Actions executed of a chunk.
    steps: int


@dataclass(frozen=True)
class FlowBase(Base):
    """The bundled flow policy: its action expert, and how that draws actions in so many steps."""

    expert: ActionExpert
    objective: Objective
    sampling: int

    def draw(self, expert: ActionExpert, noise: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Turn noise (B * K, H, D) into actions with an expert of this policy's kind."""
        return self.objective.sample(lambda x, t: expert(x, t, context, mask).float(), noise, self.sampling)


@dataclass(frozen=True)
class Hyper:
    """How is learnt."""

    lr: float = 3e-4
    batch_size: int = 256
    # Weight of staying close to the imitation policy against a value of mean size 1.
    alpha: float = 30.0
    # Discount per action.
    gamma: float = 0.99
    # Chunks that a critic chooses from.
    candidates: int = 8
    # Width of the critic's and the noise network's hidden layers.
    hidden: int = 512


class Method(ABC):
    """One way to improve a policy. Random numbers come from generators of its own, which a checkpoint keeps.

    Parameters
    ----------
    base
        The policy.
    hyper
        How is learnt.
    device, seed
        Where, and with which random numbers.

    """

    # Whether it learns from demos, first of all in a phase of their own.
    offline = True
    # Whether what the policy as it began did on its own is learnt from.
    learns_from_the_policy = True
    # What it trains and can play with, and the policy's `sampler` where that comes out; a distilled actor last.
    players: ClassVar[Mapping[str, str]] = {"flow": "ode"}

    def __init__(self, base: Base, hyper: Hyper, device: str, seed: int) -> None:
        self.base, self.hyper, self.device = base, hyper, device
        self.picking = torch.Generator().manual_seed(seed)
        self.drawing = torch.Generator(device).manual_seed(seed)
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    @property
    def extra(self) -> tuple[int, ...]:
        """The shape of what it keeps with each frame."""
        return (0,)

    @abstractmethod
    def update(self, demos: Replay | None, own: Replay, phase: Phase) -> Losses:
        """Learn once."""

    def record(self) -> None:  # noqa: B027 - most have nothing to record
        """Make updates on a GPU faster; while nothing else uses the GPU."""

    @abstractmethod
    def acting(self, player: str) -> Act:
        """Return how a player acts now, one of `players`; later updates do not change what is returned."""

    def as_began(self) -> Act:
        """Return how the policy acts that is improved."""

        def act(draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
            return draw(noise), torch.zeros(len(noise), *self.extra)

        return act

    @abstractmethod
    def weights(self, player: str) -> dict[str, Tensor]:
        """Return what a player's weights differ in from the policy's, by their names there."""

    def state(self) -> dict[str, Any]:
        """Return all that decides how it goes on."""
        return {
            "modules": {name: each.state_dict() for name, each in self.modules.items()},
            "optimizers": {name: each.state_dict() for name, each in self.optimizers.items()},
            "picking": self.picking.get_state(),
            "drawing": self.drawing.get_state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.picking.set_state(state["picking"].cpu())
        self.drawing.set_state(state["drawing"].cpu())

    def batch(self, demos: Replay | None, own: Replay, *, solved: bool = False) -> Batch:
        """Draw rows to learn from."""
        return mix(demos, own, self.hyper.batch_size, self.picking, solved=solved).to(self.device)

    def noise(self, batch: Batch, *shape: int) -> Tensor:
        """Draw (B, *shape), by default (B, H, D)."""
        size = shape or (self.base.chunk, self.base.action)
        return torch.randn(len(batch.tokens), *size, device=self.device, generator=self.drawing)

    def adam(self, name: str, module: nn.Module, lr: float) -> None:
        """Train a module, under a name."""
        self.modules[name] = module
        self.optimizers[name] = torch.optim.Adam(module.parameters(), lr=lr, fused=True)

    def step(self, name: str, loss: Tensor) -> float:
        """Do one optimizer step of a module and return the loss.

        A loss that is not finite, or whose gradient is not, changes nothing, and NaN or infinity is returned.
        """
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], _CLIP)
        # Read from the device once; 0 * inf is NaN.
        value = float(loss.detach() + 0 * norm)
        if math.isfinite(value):
            optimizer.step()
        return value

    def autocast(self) -> torch.autocast:
        """Compute in bfloat16 on a GPU."""
        return torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.device.startswith("cuda"))


def frozen[M: nn.Module](module: M) -> M:
    """Return a copy that nothing changes. It replays no recording of the module, which is of the module's weights."""
    copy = deepcopy(module).requires_grad_(requires_grad=False)
    for each in copy.modules():
        each.__dict__.pop("forward", None)
    return copy


def named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Return a module's weights under the policy's names."""
    return {f"{prefix}.{name}": value.detach().cpu().clone() for name, value in module.state_dict().items()}
