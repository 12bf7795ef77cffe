"""Statistics of several streams at once, reading the data as few times as exactness allows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mstool.dataset.columns import Block
from mstool.norm_stats.moments import Moments
from mstool.norm_stats.quantiles import NAMES, QUANTILES, interpolate, neighbours
from mstool.norm_stats.radix import RadixSelector

type Piece = tuple[int, npt.NDArray[np.floating], npt.NDArray[np.int64] | None]
type Sweep = Callable[[], Iterable[Block]]

# Dimensions looked at per reading of the data. One takes at most 6 MiB of counters, however wide a feature is.
_TOGETHER = 40


class Stream(Protocol):
    """A population of vectors, given piece by piece and dimension by dimension."""

    @property
    def dims(self) -> int:
        """How many dimensions a vector has."""

    @property
    def width(self) -> int:
        """32 if the values are float32, 64 if they are float64."""

    def pieces(self, block: Block, dims: Sequence[int]) -> Iterator[Piece]:
        """Yield (dimension, values (m,), weights (m,) or None for ones) for every value of `block` in `dims`."""


@dataclass(frozen=True)
class VectorStats:
    """Statistics of a population of D-vectors; every array float64 of shape (D,), NaN where nothing was finite."""

    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]
    min: npt.NDArray[np.float64]
    max: npt.NDArray[np.float64]
    # One array per name: q01, q10, q50, q90, q99.
    quantiles: dict[str, npt.NDArray[np.float64]]
    # How many vectors, the same for each dimension.
    count: int
    # How many values were NaN or infinite, shape (D,), int64; the rest is over the others.
    nonfinite: npt.NDArray[np.int64]

    @property
    def q01(self) -> npt.NDArray[np.float64]:
        """The 1 % quantile, shape (D,)."""
        return self.quantiles["q01"]

    @property
    def q99(self) -> npt.NDArray[np.float64]:
        """The 99 % quantile, shape (D,)."""
        return self.quantiles["q99"]

    def take(self, start: int, stop: int) -> "VectorStats":
        """Keep the dimensions from `start` up to `stop`."""
        part = slice(start, stop)
        return replace(
            self,
            mean=self.mean[part],
            std=self.std[part],
            min=self.min[part],
            max=self.max[part],
            quantiles={name: values[part] for name, values in self.quantiles.items()},
            nonfinite=self.nonfinite[part],
        )


class _Dimension:
    """What is gathered about one dimension of one stream."""

    def __init__(self, width: int) -> None:
        self.selector = RadixSelector(width)
        self.moments = Moments()
        self.nonfinite = 0
        self.neighbours: list[tuple[int, int, float]] = []

    def add(self, values: npt.NDArray[np.floating], weights: npt.NDArray[np.int64] | None) -> None:
        # One NaN or infinity anywhere shows in the sum: cheaper than looking at every value.
        with np.errstate(invalid="ignore", over="ignore"):
            total = values.sum(dtype=np.float64)
        if not np.isfinite(total):
            fine = np.isfinite(values)
            if self.selector.level == 0:
                bad = ~fine
                self.nonfinite += int(bad.sum() if weights is None else weights[bad].sum())
            values, weights = values[fine], weights if weights is None else weights[fine]
        if values.size == 0:
            return
        self.selector.add(values, weights)
        if self.selector.level == 0:
            self.moments.add(values, weights)
        elif self.selector.level == 1:
            self.moments.add_again(values, weights)

    def end_pass(self) -> None:
        if self.selector.level == 0:
            self.moments.end_first_pass()
            if total := self.selector.total():
                self.neighbours = neighbours(total, QUANTILES)
                self.selector.set_ranks(rank for low, high, _ in self.neighbours for rank in (low, high))
        self.selector.end_pass()

    def quantiles(self) -> list[float]:
        if not self.neighbours:
            return [float("nan")] * len(QUANTILES)
        found = self.selector.values()
        pairs = zip(found[::2], found[1::2], self.neighbours, strict=True)
        return [interpolate(low, high, fraction) for low, high, (_, _, fraction) in pairs]


def summarise(sweep: Sweep, streams: Sequence[Stream]) -> list[VectorStats]:
    """Compute exact statistics of each stream.

    Parameters
    ----------
    sweep
        Starts a reading of all blocks, in the same order each time. It is called two times for float32 streams, four
        times where one is float64, and again for every further 40 dimensions.
    streams
        What to summarise.

    Returns
    -------
    One `VectorStats` per stream.

    """
    everything = {(s, dim): _Dimension(stream.width) for s, stream in enumerate(streams) for dim in range(stream.dims)}
    # Narrow first, so that float32 streams are not held up by the extra passes of float64 ones.
    order = sorted(everything, key=lambda job: (streams[job[0]].width, job))
    for start in range(0, len(order), _TOGETHER):
        jobs = order[start : start + _TOGETHER]
        while open_jobs := [job for job in jobs if not everything[job].selector.done]:
            wanted = {s: [dim for stream, dim in open_jobs if stream == s] for s, _ in open_jobs}
            for block in sweep():
                for s, dims in wanted.items():
                    for dim, values, weights in streams[s].pieces(block, dims):
                        everything[s, dim].add(values, weights)
            for job in open_jobs:
                everything[job].end_pass()
    return [_collect([everything[s, dim] for dim in range(stream.dims)]) for s, stream in enumerate(streams)]


def _collect(dims: Sequence[_Dimension]) -> VectorStats:
    def column(values: Iterable[float]) -> npt.NDArray[np.float64]:
        return np.array([value if np.isfinite(value) else np.nan for value in values], dtype=np.float64)

    quantiles = [dim.quantiles() for dim in dims]
    return VectorStats(
        mean=column(dim.moments.mean for dim in dims),
        std=column(dim.moments.std for dim in dims),
        min=column(dim.moments.minimum + 0.0 for dim in dims),
        max=column(dim.moments.maximum + 0.0 for dim in dims),
        quantiles={name: column(values[i] for values in quantiles) for i, name in enumerate(NAMES)},
        count=max((dim.moments.count + dim.nonfinite for dim in dims), default=0),
        nonfinite=np.array([dim.nonfinite for dim in dims], dtype=np.int64),
    )
