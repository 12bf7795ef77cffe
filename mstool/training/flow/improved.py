"""What `mstool improve` adds to a trained policy: the ways to draw actions that it learns, each a small module.

Shapes: B frames, K chunks per frame, N observation tokens, W width, H actions in a chunk, of which the first h are
executed, D action dimensions. `draw` turns noise (B * K, H, D) into actions by the policy's own sampler.
"""

import zlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mstool.training.flow.network import ActionExpert, Attention

type Draw = Callable[[Tensor], Tensor]

# Queries that the value and the noise networks ask the observation tokens.
QUERIES = 4
# The largest steered noise, in standard deviations of the noise that the policy was trained with.
NOISE_BOUND = 1.5


class Reader(nn.Module):
    """Observation tokens (B, N, W) to one vector (B, 4 W): learnt queries attend to them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(QUERIES, width))
        self.attention = Attention(width, heads)
        self.norm = nn.LayerNorm(QUERIES * width)

    def forward(self, context: Tensor, mask: Tensor) -> Tensor:
        """Read tokens (B, N, W) where mask (B, N) is True."""
        queries = self.queries.expand(len(context), -1, -1)
        return self.norm(self.attention(queries, context, mask).flatten(1))


def perceptron(into: int, hidden: int, layers: int, out: int) -> nn.Sequential:
    """Return hidden layers with LayerNorm and GELU, and a linear one (as FQL's networks, arXiv 2502.02538)."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(into, hidden), nn.LayerNorm(hidden), nn.GELU()]
        into = hidden
    return nn.Sequential(*parts, nn.Linear(into, out))


class ChunkCritic(nn.Module):
    """Several estimates of Q(z, a_t .. a_t+h-1): the return after h actions are executed (arXiv 2507.07969).

    Parameters
    ----------
    width, heads
        Of the tokens, and of the attention that reads them.
    inputs
        Numbers that an estimate is of: h * D.
    members, hidden, layers
        Estimates, and the size of each one's perceptron.

    """

    def __init__(
        self, width: int, heads: int, inputs: int, *, members: int = 2, hidden: int = 512, layers: int = 4
    ) -> None:
        super().__init__()
        self.reader = Reader(width, heads)
        self.members = nn.ModuleList(perceptron(QUERIES * width + inputs, hidden, layers, 1) for _ in range(members))

    def forward(self, context: Tensor, mask: Tensor, actions: Tensor) -> Tensor:
        """Estimate from tokens (B, N, W), mask (B, N), actions (B, K, h, D) or (B, K, D): (members, B, K).

        In float32 always: bfloat16 cannot tell values that a few steps lie between, 1 from gamma.
        """
        with torch.autocast(context.device.type, enabled=False):
            seen = self.reader(context.float(), mask)[:, None].expand(-1, actions.shape[1], -1)
            both = torch.cat([seen, actions.flatten(2).float()], dim=-1)
            return torch.stack([member(both).squeeze(-1) for member in self.members])


class OneStep(nn.Module):
    """A chunk in one step of the network: mu(z, eps) = eps - v(eps, 1, z), one Euler step from noise to actions."""

    def __init__(self, actor: ActionExpert) -> None:
        super().__init__()
        self.actor = actor

    def forward(self, noise: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Turn noise (B * K, H, D) into actions of its shape."""
        return noise - self.actor(noise, torch.ones(len(noise), device=noise.device), context, mask).float()

    def sample(self, draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002
        """Act."""
        return self(noise, context, mask)


class BestOfN(nn.Module):
    """The chunk that a critic likes best of N that the policy draws; h actions of each are looked at."""

    def __init__(self, critic: ChunkCritic, candidates: int, steps: int) -> None:
        super().__init__()
        self.critic, self.candidates, self.steps = critic, candidates, steps

    def drawn(self, draw: Draw, noise: Tensor) -> Tensor:
        """Draw the candidates (B, N, H, D) that go with one noise (B, H, D).

        The first is of that noise, which seeds the others: an evaluation repeats itself.
        """
        others = []
        for row in noise.float().cpu():
            seeded = torch.Generator().manual_seed(zlib.crc32(row.numpy().tobytes()))
            others.append(torch.randn(self.candidates - 1, *row.shape, generator=seeded))
        every = torch.cat([noise[:, None], torch.stack(others).to(noise)], dim=1)
        return draw(every.flatten(0, 1)).reshape(every.shape)

    def best(self, chunks: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Pick from chunks (B, N, H, D) by the mean estimate: (B, H, D)."""
        value = self.critic(context, mask, chunks[:, :, : self.steps]).mean(0)
        return chunks[torch.arange(len(chunks), device=chunks.device), value.argmax(1)]

    def sample(self, draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Draw and pick."""
        return self.best(self.drawn(draw, noise), context, mask)


class Steered(nn.Module):
    """A frozen policy whose noise is chosen (DSRL, arXiv 2506.15799): one vector (D,) for all steps of a chunk."""

    def __init__(self, width: int, heads: int, action_size: int, *, hidden: int = 512, layers: int = 3) -> None:
        super().__init__()
        self.reader = Reader(width, heads)
        self.net = perceptron(QUERIES * width, hidden, layers, 2 * action_size)

    def forward(self, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation (B, D) of the noise before it is bounded by tanh."""
        mean, spread = self.net(self.reader(context, mask)).float().chunk(2, dim=-1)
        return mean, spread.clamp(-5, 1)

    def noise(self, at: Tensor) -> Tensor:
        """Bound (B, D) to the noise that is used."""
        return NOISE_BOUND * torch.tanh(at)

    def sample(self, draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Act with the mean."""
        return draw(self.noise(self(context, mask)[0])[:, None].expand_as(noise))
