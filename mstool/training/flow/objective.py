"""What the action expert is trained to predict, and how actions are drawn from it: flow matching, or a DDPM.

Both take `predict(x, t)`, a network's prediction of x's shape (M, H, D) for times t (M,) in [0, 1], 1 being pure noise.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

type Predict = Callable[[Tensor, Tensor], Tensor]

# The noise levels of training: t ~ Beta(1.5, 1) * 0.999 + 0.001, more often near noise (Pi0, arXiv 2410.24164).
BETA = (1.5, 1.0)
TIME_RANGE = (0.001, 1.0)
# DDIM's estimate of the clean actions is kept in this range of quantile-normalised units.
DDPM_RANGE = 3.0


class Objective(Protocol):
    """A training target and the sampler that goes with it."""

    def times(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """Draw training times (count,)."""

    def path(self, actions: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noisy actions at time t and what to predict from them; all (M, H, D), t (M,)."""

    def sample(self, predict: Predict, noise: Tensor, steps: int) -> Tensor:
        """Turn noise (M, H, D) into actions in so many calls of `predict`."""


class FlowMatching:
    """Straight paths from actions (t = 0) to noise (t = 1): x_t = t * noise + (1 - t) * actions.

    The velocity dx/dt = noise - actions is learnt with a squared error (flow matching, arXiv 2210.02747; straight
    paths: rectified flow, arXiv 2209.03003; this direction of time: Pi0, arXiv 2410.24164) and integrated from t = 1
    to 0 by Euler steps.
    """

    def times(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """Draw t ~ Beta(1.5, 1) * 0.999 + 0.001: Beta(a, 1) is a uniform number to the power of 1 / a."""
        low, high = TIME_RANGE
        return torch.rand(count, device=device, generator=generator) ** (1 / BETA[0]) * (high - low) + low

    def path(self, actions: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return x_t and the velocity noise - actions."""
        at = t[:, None, None]
        return at * noise + (1 - at) * actions, noise - actions

    def sample(self, predict: Predict, noise: Tensor, steps: int) -> Tensor:
        """Integrate the velocity from t = 1 to 0 in equal Euler steps."""
        x = noise
        for step in range(steps):
            t = torch.full((len(x),), 1 - step / steps, device=x.device)
            x = x - predict(x, t) / steps
        return x


class Ddpm:
    """Noise prediction over discrete levels (DDPM, arXiv 2006.11239), cosine schedule, DDIM sampling.

    x_n = sqrt(a_n) * actions + sqrt(1 - a_n) * noise, with a_n the squared cosine of arXiv 2102.09672; the network
    predicts the noise. Sampling follows DDIM without added noise (arXiv 2010.02502, equation 12).
    """

    def __init__(self, levels: int) -> None:
        self.levels = levels
        shape = [math.cos((i / levels + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(levels + 1)]
        kept = [max(shape[i + 1] / shape[i], 1 - 0.999) for i in range(levels)]
        self.signal = torch.tensor(kept, dtype=torch.float64).cumprod(0).float()

    def times(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """Draw levels uniformly, as times (level + 1) / levels."""
        return (torch.randint(self.levels, (count,), device=device, generator=generator) + 1) / self.levels

    def path(self, actions: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return x_n and the noise."""
        signal = self._signal(t)[:, None, None]
        return signal.sqrt() * actions + (1 - signal).sqrt() * noise, noise

    def sample(self, predict: Predict, noise: Tensor, steps: int) -> Tensor:
        """Go down the levels in equal strides."""
        x = noise
        strides = torch.linspace(1, 0, steps + 1)[:-1].mul(self.levels).round().clamp(min=1) / self.levels
        # Numbers rather than tensors: nothing goes to the device between two passes. After the last level: no noise.
        signals = [*self._signal(strides).tolist(), 1.0]
        for index, level in enumerate(strides.tolist()):
            signal, after = signals[index : index + 2]
            guess = predict(x, torch.full((len(x),), level, device=x.device))
            clean = ((x - (1 - signal) ** 0.5 * guess) / signal**0.5).clamp(-DDPM_RANGE, DDPM_RANGE)
            towards = (x - signal**0.5 * clean) / (1 - signal) ** 0.5
            x = after**0.5 * clean + (1 - after) ** 0.5 * towards
        return x

    def _signal(self, t: Tensor) -> Tensor:
        return self.signal.to(t.device)[(t * self.levels).round().long() - 1]


def make_objective(head: str, levels: int) -> Objective:
    """Return the objective of a head's name."""
    return FlowMatching() if head == "flow" else Ddpm(levels)
