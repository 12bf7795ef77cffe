"""Learning the value of action chunks by temporal differences, pessimistic about what demos do not show.

    L_Q = mean_i (Q_i(z, a) - y)^2,  y = R + gamma^h Q'(z', a'),  Q' = min_i of slowly following copies (tau)

with R the discounted rewards of the h executed actions (Q-chunking, arXiv 2507.07969). In the offline phase

    + c mean_i (E_{a ~ pi} max(Q_i(z, a), G) - Q_i(z, a_data))

with G the return of the episode, below which the values of the policy's own actions are not pressed (Cal-QL, arXiv
2303.05479; with a sample of the policy in the place of the log-sum-exp: ConRFT, arXiv 2502.05450).
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from mstool.improvement.method import Method
from mstool.improvement.recording import example, record_passes, replayed
from mstool.improvement.rows import Batch
from mstool.training.flow.improved import ChunkCritic

TAU = 0.005
# Weight of Cal-QL's term. Values lie in [0, 1].
CONSERVATIVE = 0.05


class Values(nn.Module):
    """A critic and the slowly following copy that its targets come from."""

    def __init__(self, critic: ChunkCritic, tau: float = TAU) -> None:
        super().__init__()
        self.tau = tau
        self.critic = critic
        self.target = deepcopy(critic).requires_grad_(requires_grad=False)

    def record(self, method: Method, actions: Tensor) -> None:
        """Record the critic on one action each, and its copy on `actions` (B, K, ...) as `future` takes them."""
        _, tokens, mask = example(method)
        one = actions[:, :1].clone().requires_grad_()
        record_passes(method, self.critic, tokens, mask, one)
        self.target.forward = replayed(method, self.target.forward, tokens, mask, actions)  # type: ignore[method-assign]

    def follow(self) -> None:
        """Move the copy: Q' <- Q' + tau (Q - Q')."""
        with torch.no_grad():
            kept, new = ([p.data for p in each.parameters()] for each in (self.target, self.critic))
            torch._foreach_lerp_(kept, new, self.tau)

    def future(self, batch: Batch, actions: Tensor) -> Tensor:
        """Return y (B,) with `actions` (B, K, ...) at the next look; of K > 1 the best by the copies' mean counts."""
        with torch.no_grad():
            values = self.target(batch.next_tokens, batch.next_mask, actions)
            best = values.mean(0).argmax(1, keepdim=True)
            value = values.amin(0).gather(1, best).squeeze(1)
            return batch.reward + batch.discount * value

    def loss(self, batch: Batch, taken: Tensor, goal: Tensor) -> Tensor:
        """Return the squared error of `taken` (B, ...) against y (B,), averaged over estimates."""
        return (self.critic(batch.tokens, batch.mask, taken[:, None]).squeeze(-1) - goal).square().mean()

    def conservative(self, batch: Batch, taken: Tensor, own: Tensor) -> Tensor:
        """Return Cal-QL's term for the policy's actions `own` (B, K, ...) against those `taken` (B, ...)."""
        values = self.critic(batch.tokens, batch.mask, torch.cat([taken[:, None], own], dim=1))
        return (torch.maximum(values[..., 1:], batch.back[:, None]).mean(-1) - values[..., 0]).mean()


def chunk_values(method: Method, seed: int) -> Values:
    """Return the values of the chunks that a method executes, which it trains as `critic` from `seed` on."""
    base, hyper = method.base, method.hyper
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = ChunkCritic(base.width, base.heads, base.steps * base.action, hidden=hyper.hidden)
        values = Values(critic).to(method.device)
    method.adam("critic", values.critic, hyper.lr)
    method.modules["values"] = values
    return values
