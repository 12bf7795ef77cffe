"""How the population lies in its range: a histogram, and what falls outside [-1, 1] once normalised."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mstool.norm_stats.summary import Stream, Sweep, VectorStats

BINS = 200
# openpi's `Normalize._normalize_quantile`, src/openpi/transforms.py.
EPSILON = 1e-6


@dataclass(frozen=True)
class Shape:
    """The distribution of each dimension of a population."""

    # Values per bin between min and max, shape (D, BINS), int64.
    histogram: npt.NDArray[np.int64]
    # Share of values that normalise to something below -1 or above 1, shape (D,).
    outside: npt.NDArray[np.float64]
    # The greatest magnitude of a normalised value, shape (D,).
    extreme: npt.NDArray[np.float64]


def normalised(values: npt.NDArray[np.floating], q01: float, q99: float) -> npt.NDArray[np.float64]:
    """Map q01 to -1 and q99 to 1 as openpi does, without clipping: (x - q01) / (q99 - q01 + 1e-6) * 2 - 1."""
    result: npt.NDArray[np.float64] = (values.astype(np.float64) - q01) / (q99 - q01 + EPSILON) * 2 - 1
    return result


def measure(sweep: Sweep, streams: Sequence[Stream], stats: Sequence[VectorStats]) -> list[Shape]:
    """Read the data once more and place every value of each stream in its range."""
    counts = [np.zeros((stream.dims, BINS), dtype=np.int64) for stream in streams]
    outside = [np.zeros(stream.dims, dtype=np.float64) for stream in streams]
    for block in sweep():
        for s, stream in enumerate(streams):
            for dim, values, weights in stream.pieces(block, range(stream.dims)):
                low, high = float(stats[s].min[dim]), float(stats[s].max[dim])
                fine = np.isfinite(values)
                if not fine.all():
                    values, weights = values[fine], weights if weights is None else weights[fine]  # noqa: PLW2901
                scale = BINS / (high - low) if high > low else 0.0
                bins = ((values.astype(np.float64) - low) * scale).astype(np.int64).clip(0, BINS - 1)
                counts[s][dim] += np.bincount(bins, weights, minlength=BINS).astype(np.int64)
                # A value lies outside exactly where the openpi formula exceeds 1 in magnitude.
                beyond = np.abs(normalised(values, float(stats[s].q01[dim]), float(stats[s].q99[dim]))) > 1
                outside[s][dim] += beyond.sum() if weights is None else weights[beyond].sum()
    return [
        Shape(histogram, beyond / np.maximum(histogram.sum(axis=1), 1), _extreme(stat))
        for histogram, beyond, stat in zip(counts, outside, stats, strict=True)
    ]


def _extreme(stats: VectorStats) -> npt.NDArray[np.float64]:
    gap = stats.q99 - stats.q01 + EPSILON
    return np.maximum(np.abs((stats.min - stats.q01) / gap * 2 - 1), np.abs((stats.max - stats.q01) / gap * 2 - 1))
