"""Steering a frozen policy by its noise (DSRL, arXiv 2506.15799): soft actor-critic (arXiv 1801.01290) over w.

    a = ODE(z, (w, .., w)),  w = b tanh(u),  u ~ N(mean(z), std(z))
    L_Q  = mean_i (Q_i(z, w) - R - gamma^h (min_i Q'_i(z', w') - T log pi(w'|z')))^2
    L_pi = T log pi(w|z) - mean_i Q_i(z, w),  L_T = -T (log pi(w|z) + target)

One vector w (D,) is the noise of every action of a chunk. All that it asks of the policy is actions for a given noise,
so it fits one that is too large to train. It learns from its own episodes alone: demos have no w. log pi is of w / b.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from mstool.improvement.critic import Values
from mstool.improvement.method import Act, Base, Hyper, Losses, Method, Phase, frozen, named
from mstool.improvement.recording import example, record_passes, replayed
from mstool.improvement.replay import Replay
from mstool.training.flow.improved import ChunkCritic, Draw, Steered

# Where the temperature starts: returns lie in [0, 1].
TEMPERATURE = 0.01


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
    # It draws noise for every action of a chunk, which no w is.
    learns_from_the_policy = False
    players: ClassVar[Mapping[str, str]] = {"steered": "steered"}

    def __init__(self, base: Base, hyper: Hyper, device: str, seed: int) -> None:
        super().__init__(base, hyper, device, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.values = Values(ChunkCritic(base.width, base.heads, base.noise, hidden=hyper.hidden)).to(device)
            self.actor = Steered(base.width, base.heads, base.noise, hidden=hyper.hidden).to(device)
        with torch.no_grad():  # begin with mean 0 and std 1: the noise of the policy, but for its bound
            *_, last = self.actor.net.parameters()
            last.zero_()
            self.actor.net[-1].get_parameter("weight").mul_(0.01)
        self.adam("critic", self.values.critic, hyper.lr)
        self.modules["values"] = self.values
        self.adam("actor", self.actor, hyper.lr)
        self.temperature = Temperature().to(device)
        self.adam("temperature", self.temperature, hyper.lr)
        self.choose = self._choose

    def record(self) -> None:
        """Record actor and critic."""
        _, tokens, mask = example(self)
        chosen = torch.randn(len(tokens), 1, self.base.noise, device=self.device)
        self.choose = replayed(self, self._choose, tokens, mask, chosen[:, 0])
        record_passes(self, self.actor, tokens, mask, dtype=None)
        self.values.record(self, chosen)

    @property
    def extra(self) -> tuple[int, ...]:
        """The noise w."""
        return (self.base.noise,)

    def update(self, demos: Replay | None, own: Replay, phase: Phase) -> Losses:  # noqa: ARG002
        """Learn once."""
        batch = self.batch(None, own)
        temperature = self.temperature.log.exp().detach()
        with torch.no_grad():
            noise, log = self.choose(batch.next_tokens, batch.next_mask, self.noise(batch, self.base.noise))
            goal = self.values.future(batch, noise[:, None]) - batch.discount * temperature * log
        losses = {"critic": self.step("critic", self.values.loss(batch, batch.extra, goal))}
        self.values.follow()
        if phase == "online":
            noise, log = self._choose(batch.tokens, batch.mask, self.noise(batch, self.base.noise))
            value = self.values.critic(batch.tokens, batch.mask, noise[:, None]).mean()
            losses["actor"] = self.step("actor", (temperature * log).mean() - value)
            # The entropy of a uniform w / b in (-1, 1)^D is D log 2; a target of -D / 2 keeps a third of its width.
            short = (log.detach() - self.base.noise / 2).mean()
            losses["temperature"] = self.step("temperature", -self.temperature.log * short)
        return losses

    def _choose(self, tokens: Tensor, mask: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return w (B, D) that the actor makes of noise (B, D), and log pi (B,) of w / b."""
        at, log = bounded(self.actor(tokens, mask), noise)
        return self.actor.noise(at), log

    def acting(self, player: str) -> Act:  # noqa: ARG002
        """Act with noise that the given one decides."""
        actor = frozen(self.actor)

        def act(draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                at, _ = bounded(actor(context, mask), noise[:, 0])
                chosen = actor.noise(at)
                return draw(chosen[:, None].expand_as(noise)), chosen

        return act

    def weights(self, player: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the actor's."""
        return named("sampler", self.actor)


class Temperature(nn.Module):
    """The weight T of entropy, by its logarithm."""

    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(TEMPERATURE)))
