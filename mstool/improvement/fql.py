"""Flow Q-learning (arXiv 2502.02538) on action chunks (arXiv 2507.07969): a one-step actor of high value near the flow.

    L_mu = alpha |mu(z, eps) - ODE(z, eps)|^2 - lambda mean_i Q_i(z, mu(z, eps)),  lambda = 1 / mean |Q|

(lambda as TD3+BC has it: arXiv 2106.06860). The actor begins as a copy of the flow's own network, one Euler step
of it: mu(z, eps) = eps - v(eps, 1, z). Only the h executed actions have a value; the rest of a chunk is
distilled alone. The flow itself goes on imitating demos and own successes.

Until enough was distilled, the actor is not pushed and plays no episode: in the phase on demos, where the critic learns
with Cal-QL's term, and on the first own episodes, which the flow plays. Then everything learns, and the actor plays as
`players.py` says; the critic learns from whoever played. Of each update the critic has two steps, on batches of their
own, and actor and flow one (delayed policies: TD3, arXiv 1802.09477); the actor is held to the flow by a quarter of the
rows, for the flow's ten passes are most of what an update costs.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from mstool.improvement.critic import CONSERVATIVE, chunk_values
from mstool.improvement.flow_head import FlowHead
from mstool.improvement.method import Act, FlowBase, Hyper, Losses, Method, Phase, frozen, named
from mstool.improvement.recording import example, record_passes, replayed
from mstool.improvement.replay import Replay
from mstool.improvement.rows import Batch
from mstool.training.flow.improved import Draw, OneStep

# Steps of the critic in an update.
CRITIC_STEPS = 2
# Of a batch, every which row is drawn from the flow.
DRAWN = 4


class Fql(Method):
    """A critic, a one-step actor, and the flow that holds it."""

    players: ClassVar[Mapping[str, str]] = {"flow": "ode", "actor": "one-step"}

    def __init__(self, base: FlowBase, hyper: Hyper, device: str, seed: int) -> None:
        super().__init__(base, hyper, device, seed)
        self.values = chunk_values(self, seed)
        self.actor = OneStep(frozen(base.expert).requires_grad_(requires_grad=True))
        self.adam("actor", self.actor, hyper.lr / 3)
        self.flow = FlowHead(self, base, hyper.lr / 10)
        self.propose = self._propose

    def record(self) -> None:
        """Record all three networks."""
        noise, tokens, mask = example(self)
        self.propose = replayed(self, self._propose, noise, tokens, mask)
        drawn = -(-self.hyper.batch_size // DRAWN)
        for rows in (None, drawn):
            record_passes(self, self.actor, *example(self, rows))
        self.values.record(self, noise[:, None, : self.base.steps])
        self.flow.record(drawn)

    def update(self, demos: Replay | None, own: Replay, phase: Phase) -> Losses:
        """Learn once."""
        for _ in range(CRITIC_STEPS):
            batch = self.batch(demos, own)
            losses = {"critic": self._learn_values(batch, conservative=phase == "demos")}
        losses["actor"] = self._learn_actor(batch, pushed=phase == "online")
        if phase == "online":
            losses["flow"] = self.flow.learn(self.batch(demos, own, solved=True))
        return losses

    def acting(self, player: str) -> Act:
        """Draw from the flow, or act in one step."""
        if player == "flow":
            return self.flow.acting()
        actor = frozen(self.actor)

        def act(draw: Draw, noise: Tensor, context: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                return actor.sample(draw, noise, context, mask), torch.zeros(len(noise), 0)

        return act

    def weights(self, player: str) -> dict[str, Tensor]:
        """Return the flow's, and the actor's where it is that."""
        return {**self.flow.weights(), **(named("sampler", self.actor) if player == "actor" else {})}

    def _learn_values(self, batch: Batch, *, conservative: bool) -> float:
        steps, taken = self.base.steps, batch.chunk[:, : self.base.steps]
        with self.autocast():
            later = self.propose(self.noise(batch), batch.next_tokens, batch.next_mask)[:, None, :steps]
            loss = self.values.loss(batch, taken, self.values.future(batch, later))
            if conservative:
                now = self.propose(self.noise(batch), batch.tokens, batch.mask)[:, None, :steps]
                loss = loss + CONSERVATIVE * self.values.conservative(batch, taken, now)
        value = self.step("critic", loss)
        self.values.follow()
        return value

    def _propose(self, noise: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the actor's chunks (B, H, D), without a gradient."""
        with torch.no_grad(), self.autocast():
            chunks: Tensor = self.actor(noise, tokens, mask)
        return chunks

    def _learn_actor(self, batch: Batch, *, pushed: bool) -> float:
        """Hold the actor to the flow on the drawn rows; nothing is asked of the others unless it is pushed."""
        steps, some = self.base.steps, slice(None, None, DRAWN)
        every = self.noise(batch), batch.tokens, batch.mask
        drawn = tuple(each[some] for each in every)
        wanted = self.flow.draw(*drawn)
        with self.autocast():
            chunk = self.actor(*(every if pushed else drawn))
            error = ((chunk[some] if pushed else chunk) - wanted).square()
            loss = self.hyper.alpha * error[:, :steps].mean()
            if self.base.chunk > steps:
                loss = loss + self.hyper.alpha * error[:, steps:].mean()
            if pushed:
                value = self.values.critic(batch.tokens, batch.mask, chunk[:, None, :steps])
                loss = loss - value.mean() / value.detach().abs().mean().clamp(min=1e-3)
        return self.step("actor", loss)
