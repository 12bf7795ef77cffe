"""The streams `summarise` is given: columns as they are, and openpi's `state` and `actions`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mstool.dataset.columns import Block
from mstool.norm_stats.summary import Piece
from mstool.norm_stats.windows import delta_pieces, frame_weights


@dataclass(frozen=True)
class FrameStream:
    """Every frame of one feature once, in the precision it is stored in: what LeRobot's stats.json is about."""

    feature: str
    dims: int
    width: int

    def pieces(self, block: Block, dims: Sequence[int]) -> Iterator[Piece]:
        """Yield each dimension's frames of `block`."""
        kind = np.float32 if self.width == 32 else np.float64
        for dim in dims:
            yield dim, np.ascontiguousarray(block.columns[self.feature][dim], dtype=kind), None


@dataclass(frozen=True)
class StateStream:
    """openpi's `state`: every frame once, float32; several features side by side (DROID's joints and gripper)."""

    features: tuple[str, ...]
    dims: int
    width: int = 32

    def pieces(self, block: Block, dims: Sequence[int]) -> Iterator[Piece]:
        """Yield each dimension's frames of `block`."""
        state = joined(block, self.features)
        for dim in dims:
            yield dim, state[dim], None


@dataclass(frozen=True)
class ActionStream:
    """openpi's `actions`: the next H actions of every frame, float32, minus the frame's state where `delta` is set."""

    features: tuple[str, ...]
    state: tuple[str, ...]
    dims: int
    horizon: int
    # Per dimension; may be shorter than `dims`, the rest is absolute.
    delta: tuple[bool, ...]
    width: int = 32

    def pieces(self, block: Block, dims: Sequence[int]) -> Iterator[Piece]:
        """Yield each dimension's windowed actions of `block`: weighted frames, or all differences."""
        actions = joined(block, self.features)
        relative = [dim for dim in dims if dim < len(self.delta) and self.delta[dim]]
        absolute = [dim for dim in dims if dim not in relative]
        if absolute:
            weights = frame_weights(block.lengths, self.horizon)
            for dim in absolute:
                yield dim, actions[dim], weights
        if relative:
            state = joined(block, self.state)
            for dim, values in delta_pieces(actions, state, block.lengths, self.horizon, relative):
                yield dim, values, None


def joined(block: Block, features: Sequence[str]) -> npt.NDArray[np.float32]:
    """Stack features along the dimension axis as float32, shape (D, n), as openpi's `DroidInputs` does."""
    columns = [block.columns[feature] for feature in features]
    # Infinity is reported by its own check: no overflow warning here.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(np.concatenate(columns), dtype=np.float32)
