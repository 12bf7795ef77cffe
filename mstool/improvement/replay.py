"""A replay buffer of frames whose pictures are encoded already: tokens of a frozen encoder, action chunks, rewards.

A row is a frame at which the policy looked. Its window are the h actions executed from there to the next look:

    R = sum_{k < h} gamma^k r_{t+k},  then gamma^h Q(z_{t+h}, .)

Where the episode ends within the window, R goes on to the end and counts what follows it (`rewards.py`); the last
action is repeated where there are none.

The oldest rows make way when the buffer is full. Nothing in it is a picture: with 38 tokens of width 256 a row takes
20 KB.
"""

from collections.abc import Mapping
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


class Replay:
    """Rows in a ring.

    Parameters
    ----------
    sizes
        What a row holds.
    capacity
        The most rows.
    gamma
        Discount per action.

    """

    def __init__(self, sizes: Sizes, capacity: int, gamma: float) -> None:
        self.sizes, self.capacity, self.gamma = sizes, capacity, gamma
        # Rows that were ever added; row i lies at i % capacity.
        self.added = 0
        self.rows = {
            "tokens": torch.zeros(capacity, sizes.tokens, sizes.width, dtype=torch.bfloat16),
            "mask": torch.zeros(capacity, sizes.tokens, dtype=torch.bool),
            "chunk": torch.zeros(capacity, sizes.chunk, sizes.action),
            "valid": torch.zeros(capacity, sizes.chunk, dtype=torch.bool),
            "extra": torch.zeros(capacity, *sizes.extra),
            # The row of the next look, -1 where the episode ends before it.
            "next": torch.full((capacity,), -1),
            "reward": torch.zeros(capacity),
            "discount": torch.zeros(capacity),
            "back": torch.zeros(capacity),
            # Whether its episode was solved at the end.
            "solved": torch.zeros(capacity, dtype=torch.bool),
        }

    def __len__(self) -> int:
        """Return how many rows there are."""
        return min(self.added, self.capacity)

    def add(self, episode: Episode) -> None:
        """Add an episode's looks."""
        self.extend(self._rows(episode))

    def extend(self, rows: Mapping[str, Tensor]) -> None:
        """Add rows as `since` gives them; the next look of each is a number relative to itself."""
        count = len(rows["next"])
        at = (self.added + torch.arange(count)) % self.capacity
        for name, values in rows.items():
            self.rows[name][at] = values.to(self.rows[name].dtype)
        self.rows["next"][at] = torch.where(rows["next"] >= 0, (at + rows["next"]) % self.capacity, -1)
        self.added += count

    def since(self, first: int) -> dict[str, Tensor]:
        """Return the rows that were added after the first `first` ones, as `extend` takes them."""
        numbers = torch.arange(max(first, self.added - len(self)), self.added)
        at = numbers % self.capacity
        found = {name: values[at].contiguous() for name, values in self.rows.items()}
        found["next"] = torch.where(found["next"] >= 0, (found["next"] - at) % self.capacity, -1)
        return found

    def has(self, *, solved: bool = False) -> bool:
        """Tell whether there is anything to `sample`."""
        return bool(self.rows["solved"][: len(self)].any()) if solved else len(self) > 0

    def sample(self, count: int, generator: torch.Generator, *, solved: bool = False) -> Batch:
        """Draw rows, with `solved` of episodes that were solved.

        Raises
        ------
        LookupError
            There are none.

        """
        among = torch.nonzero(self.rows["solved"][: len(self)]).squeeze(1) if solved else torch.arange(len(self))
        if not len(among):
            raise LookupError("no such rows")
        at = among[torch.randint(len(among), (count,), generator=generator)]
        after = self.rows["next"][at].clamp(min=0)
        rows = self.rows
        return Batch(
            **{name: rows[name][at] for name in ("tokens", "mask", "chunk", "valid", "extra", "reward", "discount")},
            back=rows["back"][at],
            next_tokens=rows["tokens"][after],
            next_mask=rows["mask"][after],
            next_extra=rows["extra"][after],
        )

    def _rows(self, episode: Episode) -> dict[str, Tensor]:
        """Cut an episode into rows."""
        sizes = self.sizes
        looks = {int(step): number for number, step in enumerate(episode.looks)}
        earned = rewards(episode.solved, self.gamma)
        end = SOLVED_FOR_EVER if episode.success else NEVER_SOLVED
        back = returns(earned, self.gamma, end)
        count = len(looks)
        chunk = np.zeros((count, sizes.chunk, sizes.action), np.float32)
        valid = np.zeros((count, sizes.chunk), bool)
        after, reward, discount = np.full(count, -1), np.zeros(count), np.zeros(count)
        powers = self.gamma ** np.arange(sizes.steps)
        for step, row in looks.items():
            own, stop = episode.actions[step : step + sizes.chunk], step + sizes.steps
            chunk[row], chunk[row, : len(own)], valid[row, : len(own)] = own[-1], own, True
            if stop in looks:
                reward[row] = (powers * earned[step:stop]).sum()
                after[row], discount[row] = looks[stop] - row, self.gamma**sizes.steps
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


def mix(demos: Replay | None, own: Replay, count: int, generator: torch.Generator, *, solved: bool = False) -> Batch:
    """Draw half of the rows from demos and half from the policy's own episodes, or all from the one that has any.

    Raises
    ------
    LookupError
        Neither has.

    """
    pools = [each for each in (demos, own) if each is not None and each.has(solved=solved)]
    if not pools:
        raise LookupError("no rows to learn from")
    parts = [each.sample(count // len(pools), generator, solved=solved) for each in pools]
    return Batch(**{each.name: torch.cat([getattr(part, each.name) for part in parts]) for each in fields(Batch)})
