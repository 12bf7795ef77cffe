"""Steering a frozen policy by its noise (DSRL, arXiv 2506.15799): soft actor-critic (arXiv 1801.01290) over w.

    a = ODE(z, noise with slow waves w),  w = b tanh(u),  u ~ N(mean(z), std(z))
    L_Q  = mean_i (Q_i(z, w) - R - gamma^h (min_i Q'_i(z', w') - T log pi(w'|z')))^2
    L_pi = T log pi(w|z) - mean_i Q_i(z, w),  L_T = -T (log pi(w|z) + target)

w are the coefficients of the slowest waves over a chunk (`mstool.training.flow.improved`); faster ones stay as they are
drawn, so noise is like what the policy was trained with. One vector for all actions of a chunk is not: a policy that
solves 75 % solved 48 % with it (benchmarks/results/improve.md). All that this asks of the policy is actions for a given
noise, so it fits one that is too large to train. It learns from its own episodes alone: demos have no w. log pi is of
w / b.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from mstool.improvement.critic import Values
from mstool.improvement.method import Act, Base, Hyper, Losses, Method, Phase, frozen, named
from mstool.improvement.replay import Replay
from mstool.training.flow.improved import WAVES, ChunkCritic, Draw, Steered, slow, steered

# Where the temperature starts, times the numbers that are chosen, whose entropies add up: returns lie in [0, 1].
TEMPERATURE = 0.07
# The standard deviation of u where that of w, 2.5 tanh(u), is 1.
FIRST_SPREAD = 0.5


def bounded(actor: tuple[Tensor, Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return u = mean + std * noise (B, D), and log pi (B,) of tanh(u); `actor` gives the mean and log std."""
    mean, spread = actor
    at = mean + spread.exp() * noise
    normal = -0.5 * noise.square() - spread - 0.5 * math.log(2 * math.pi)
    # log(1 - tanh(u)^2), which does not round to -inf.
    change = 2 * (math.log(2) - at - nn.functional.softplus(-2 * at))
    return at, (normal - change).sum(-1)


class Dsrl(Method):
    """An actor and a critic over noise."""

    offline = False
    players: ClassVar[Mapping[str, str]] = {"steered": "steered"}

    def __init__(self, base: Base, hyper: Hyper, device: str, seed: int) -> None:
        super().__init__(base, hyper, device, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.values = Values(ChunkCritic(base.width, base.heads, self.numbers, hidden=hyper.hidden)).to(device)
            self.actor = Steered(base.width, base.heads, self.numbers, hidden=hyper.hidden).to(device)
        with torch.no_grad():  # begin with mean 0 and std 1: the noise of the policy, but for its bound
            *_, last = self.actor.net.parameters()
            last.copy_(torch.tensor([0.0, math.log(FIRST_SPREAD)]).repeat_interleave(self.numbers))
            self.actor.net[-1].get_parameter("weight").mul_(0.01)
        self.adam("critic", self.values.critic, hyper.lr)
        self.modules["values"] = self.values
        self.adam("actor", self.actor, hyper.lr)
        self.temperature = Temperature(TEMPERATURE / self.numbers).to(device)
        self.adam("temperature", self.temperature, hyper.lr)

    @property
    def numbers(self) -> int:
        """How many are chosen: K waves of every action dimension."""
        return min(WAVES, self.base.chunk) * self.base.action

    @property
    def extra(self) -> tuple[int, ...]:
        """What was chosen, w."""
        return (self.numbers,)

    def update(self, demos: Replay | None, own: Replay, phase: Phase) -> Losses:  # noqa: ARG002
        """Learn once."""
        batch = self.batch(None, own)
        temperature = self.temperature.log.exp().detach()
        with torch.no_grad():
            at, log = bounded(self.actor(batch.next_tokens, batch.next_mask), self.noise(batch, self.numbers))
            goal = self.values.future(batch, self.actor.noise(at)[:, None]) - batch.discount * temperature * log
        losses = {"critic": self.step("critic", self.values.loss(batch, batch.extra, goal))}
        self.values.follow()
        if phase == "online":
            at, log = bounded(self.actor(batch.tokens, batch.mask), self.noise(batch, self.numbers))
            value = self.values.critic(batch.tokens, batch.mask, self.actor.noise(at)[:, None]).mean()
            losses["actor"] = self.step("actor", (temperature * log).mean() - value)
            # The entropy of a uniform w / b in (-1, 1)^n is n log 2; a target of -n / 2 keeps a third of its width.
            short = (log.detach() - self.numbers / 2).mean()
            losses["temperature"] = self.step("temperature", -self.temperature.log * short)
        return losses

    def as_began(self) -> Act:
        """Act with the noise that was drawn, and say what its slow waves are."""

        def act(draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
            return draw(noise), slow(noise, self.base.action)

        return act

    def acting(self, player: str) -> Act:  # noqa: ARG002
        """Act with slow waves that those of the given noise decide."""
        actor = frozen(self.actor)

        def act(draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                at, _ = bounded(actor(context, mask), slow(noise, self.base.action))
                chosen = actor.noise(at)
                return draw(steered(noise, chosen)), chosen

        return act

    def weights(self, player: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the actor's."""
        return named("sampler", self.actor)


class Temperature(nn.Module):
    """The weight T of entropy, by its logarithm."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(start)))
