"""What a replay holds: rows, which are cut from episodes, and batches of them.

A row is a frame at which the policy looked. Its window are the h actions executed from there to the next look:

    R = sum_{k < h} gamma^k r_{t+k},  then gamma^h Q(z_{t+h}, .)

Where the episode ends within the window, R goes on to the end and counts what follows it (`rewards.py`); the last
action is repeated where there are none. Nothing in a row is a picture: with 38 tokens of width 256 it takes 20 KB.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from mstool.contract import Array
from mstool.improvement.rewards import NEVER_SOLVED, SOLVED_FOR_EVER, returns, rewards


@dataclass(frozen=True)
class Sizes:
    """What a row holds: tokens of a frame, their width, actions in a chunk, executed ones, dimensions of an action."""

    tokens: int
    width: int
    chunk: int
    steps: int
    action: int
    # The shape of what a method keeps of its own with each frame.
    extra: tuple[int, ...] = ()

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        extra = int(np.prod(self.extra)) if self.extra else 0
        return self.tokens * (2 * self.width + 1) + self.chunk * (4 * self.action + 1) + 4 * extra + 8 + 3 * 4 + 1


@dataclass(frozen=True)
class Episode:
    """An episode as the replay takes it; T actions, n looks."""

    # (n, N, W) and (n, N): what the encoder saw at each look.
    tokens: Tensor
    mask: Tensor
    # (n,) int: the step of each look.
    looks: Array
    # (T, D) float32: what was executed, normalised.
    actions: Array
    # (T,) bool: whether the task counted as solved after each.
    solved: Array
    # (n, ...) float32.
    extra: Tensor | None = None

    @property
    def success(self) -> bool:
        """Whether it was solved at its end."""
        return bool(len(self.solved) and self.solved[-1])


@dataclass(frozen=True)
class Batch:
    """B rows; actions are normalised, float32."""

    tokens: Tensor
    mask: Tensor
    # (B, H, D) from the frame on, and (B, H) where the episode has actions.
    chunk: Tensor
    valid: Tensor
    # (B, ...) what the method keeps.
    extra: Tensor
    # (B,) sum of the window's discounted rewards, what Q of the next look counts, the return of the episode.
    reward: Tensor
    discount: Tensor
    back: Tensor
    next_tokens: Tensor
    next_mask: Tensor
    next_extra: Tensor

    def to(self, device: str) -> "Batch":
        """Move it, tokens as float32."""
        moved = {each.name: getattr(self, each.name).to(device, non_blocking=True) for each in fields(self)}
        return Batch(**{name: value.float() if "tokens" in name else value for name, value in moved.items()})


def cut(episode: Episode, sizes: Sizes, gamma: float) -> dict[str, Tensor]:
    """Cut an episode into rows, one for each look; `next` is a number relative to the row itself."""
    looks = {int(step): number for number, step in enumerate(episode.looks)}
    earned = rewards(episode.solved, gamma)
    end = SOLVED_FOR_EVER if episode.success else NEVER_SOLVED
    back = returns(earned, gamma, end)
    count = len(looks)
    chunk = np.zeros((count, sizes.chunk, sizes.action), np.float32)
    valid = np.zeros((count, sizes.chunk), bool)
    after, reward, discount = np.full(count, -1), np.zeros(count), np.zeros(count)
    powers = gamma ** np.arange(sizes.steps)
    for step, row in looks.items():
        own, stop = episode.actions[step : step + sizes.chunk], step + sizes.steps
        chunk[row], chunk[row, : len(own)], valid[row, : len(own)] = own[-1], own, True
        if stop in looks:
            reward[row] = (powers * earned[step:stop]).sum()
            after[row], discount[row] = looks[stop] - row, gamma**sizes.steps
        else:
            reward[row] = back[step]
    floats = {"reward": reward, "discount": discount, "back": back[list(looks)]}
    return {
        "tokens": episode.tokens,
        "mask": episode.mask,
        "chunk": torch.from_numpy(chunk),
        "valid": torch.from_numpy(valid),
        "extra": torch.zeros(count, *sizes.extra) if episode.extra is None else episode.extra,
        "next": torch.from_numpy(after),
        "solved": torch.full((count,), episode.success),
        **{name: torch.from_numpy(values).float() for name, values in floats.items()},
    }
