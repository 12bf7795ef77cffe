"""Whether actions are positions like the state or differences from it, and where bad values are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mstool.norm_stats.streams import joined
from mstool.norm_stats.summary import Sweep

# An absolute target trails the state closely: the difference has a small part of the state's own variance.
_CLOSE = 0.25
_FAR = 0.5
# A dimension that moves less than this tells nothing about the other.
_STILL = 1e-4


@dataclass(frozen=True)
class Relation:
    """How action dimension i relates to state dimension i at the same frame."""

    # The action follows the state: an absolute target. Shape (D,).
    absolute: npt.NDArray[np.bool_]
    # The action does not follow the state: a difference or a velocity. Shape (D,); where neither is set, it is unclear.
    relative: npt.NDArray[np.bool_]


def relate(sweep: Sweep, state: Sequence[str], actions: Sequence[str], dims: int) -> Relation:
    """Compare the first `dims` dimensions of actions and state over all frames.

    With a = s + e (a target near the state) var(a - s) is small against var(s); for independent a
    it is var(a) + var(s).
    """
    # Sums of 1, s, a - s and their squares, each about the first frame's values so that little cancels.
    sums = np.zeros((4, dims), dtype=np.float64)
    count = 0
    origin: npt.NDArray[np.float64] | None = None
    for block in sweep():
        s = joined(block, state)[:dims].astype(np.float64)
        gap = joined(block, actions)[:dims].astype(np.float64) - s
        fine = np.isfinite(s).all(axis=0) & np.isfinite(gap).all(axis=0)
        s, gap = s[:, fine], gap[:, fine]
        if s.shape[1] == 0:
            continue
        origin = s[:, :1].copy() if origin is None else origin
        s = s - origin
        sums += [s.sum(axis=1), (s * s).sum(axis=1), gap.sum(axis=1), (gap * gap).sum(axis=1)]
        count += s.shape[1]
    s_mean, s_square, gap_mean, gap_square = sums / max(count, 1)
    spread = np.sqrt(np.maximum(s_square - s_mean**2, 0))
    gap_spread = np.sqrt(np.maximum(gap_square - gap_mean**2, 0))
    moves = spread > _STILL
    absolute = moves & (gap_spread < _CLOSE * spread) & (np.abs(gap_mean) < spread)
    return Relation(absolute, moves & (gap_spread > _FAR * spread))


@dataclass(frozen=True)
class Place:
    """Where a value is."""

    feature: str
    episode: int
    frame: int
    dim: int


def first_nonfinite(sweep: Sweep, features: Sequence[str]) -> Place | None:
    """Find the first NaN or infinity among the given features; episodes are counted over all blocks."""
    episode = 0
    for block in sweep():
        for feature in features:
            bad = np.argwhere(~np.isfinite(block.columns[feature].astype(np.float64)).T)
            if bad.size:
                at, dim = map(int, bad[0])
                ends = np.cumsum(block.lengths)
                inside = int(np.searchsorted(ends, at, side="right"))
                return Place(feature, episode + inside, at - int(ends[inside] - block.lengths[inside]), dim)
        episode += block.lengths.size
    return None
