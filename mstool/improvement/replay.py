"""A replay buffer of frames whose pictures are encoded already; the oldest rows make way when it is full."""

from collections.abc import Mapping
from dataclasses import fields

import torch
from torch import Tensor

from mstool.improvement.rows import Batch, Episode, Sizes, cut


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
    device
        Where they lie.

    """

    def __init__(self, sizes: Sizes, capacity: int, gamma: float, device: str = "cpu") -> None:
        self.sizes, self.capacity, self.gamma = sizes, capacity, gamma
        # Rows that were ever added; row i lies at i % capacity.
        self.added = 0
        with torch.device(device):
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
            }
        # Whether its episode was solved at the end; where rows are picked, which waits for no GPU.
        self.rows["solved"] = torch.zeros(capacity, dtype=torch.bool)

    def __len__(self) -> int:
        """Return how many rows there are."""
        return min(self.added, self.capacity)

    def add(self, episode: Episode) -> None:
        """Add an episode's looks."""
        self.extend(cut(episode, self.sizes, self.gamma))

    def extend(self, rows: Mapping[str, Tensor]) -> None:
        """Add rows as `since` gives them; the next look of each is a number relative to itself."""
        count = len(rows["next"])
        at = (self.added + torch.arange(count)) % self.capacity
        later = torch.where(rows["next"] >= 0, (at + rows["next"]) % self.capacity, -1)
        for name, values in {**rows, "next": later}.items():
            held = self.rows[name]
            held[at.to(held.device)] = values.to(held)
        self.added += count

    def since(self, first: int) -> dict[str, Tensor]:
        """Return the rows that were added after the first `first` ones, as `extend` takes them."""
        numbers = torch.arange(max(first, self.added - len(self)), self.added)
        at = numbers % self.capacity
        found = {name: values[at.to(values.device)].cpu().contiguous() for name, values in self.rows.items()}
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
        rows = self.rows
        at = among[torch.randint(len(among), (count,), generator=generator)].to(rows["next"].device)
        after = rows["next"][at].clamp(min=0)
        return Batch(
            **{name: rows[name][at] for name in ("tokens", "mask", "chunk", "valid", "extra", "reward", "discount")},
            back=rows["back"][at],
            next_tokens=rows["tokens"][after],
            next_mask=rows["mask"][after],
            next_extra=rows["extra"][after],
        )


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
