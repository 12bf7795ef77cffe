"""The population training sees: every frame contributes its next H actions.

openpi asks LeRobot for the actions at t, t+1, ..., t+H-1 of every frame t, and LeRobot repeats the episode's last
action where that runs over the end (`create_torch_dataset` in openpi's `src/openpi/training/data_loader.py`). So an
episode of T frames contributes T * H action vectors; no frame is left out. Two cases,
neither of which builds the windows:

* absolute: the value does not depend on t, so the population is the frames themselves, each with a weight;
* delta (openpi's `DeltaActions`): a[t+k] - s[t], in float32 as openpi computes it, for the masked dimensions; one
  subtraction per (t, k), a piece at a time.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

# Elements per piece: 1 MiB of float32 stays in the processor's second-level cache.
PIECE = 1 << 18


def frame_weights(lengths: npt.NDArray[np.int64], horizon: int) -> npt.NDArray[np.int64]:
    """Count how often each frame's action occurs among all windows.

    The action at position j of an episode of T frames is read from the frames j-H+1..j, so min(j + 1, H) times; the
    last one also stands in for everything past the end: the sum of H - d over the frames d = 0..min(T, H)-1 before it.

    Parameters
    ----------
    lengths
        Frames of each episode, shape (E,), each >= 1.
    horizon
        Actions per window, >= 1.

    Returns
    -------
    Weights, shape (sum(lengths),), that add up to sum(lengths) * horizon.

    """
    weights = np.minimum(positions(lengths) + 1, horizon)
    reach = np.minimum(lengths, horizon)
    weights[np.cumsum(lengths) - 1] = reach * horizon - reach * (reach - 1) // 2
    return weights


def positions(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give each frame's number within its episode: 0..T-1 for each, one after the other."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(starts, lengths)


def last_frames(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give, for each frame, the index of its episode's last frame."""
    return np.repeat(np.cumsum(lengths) - 1, lengths)


def delta_pieces(
    actions: npt.NDArray[np.float32],
    states: npt.NDArray[np.float32],
    lengths: npt.NDArray[np.int64],
    horizon: int,
    dims: Sequence[int],
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Yield a[min(t + k, end)] - s[t] for all frames t, all k < H and the given dimensions, in pieces.

    Parameters
    ----------
    actions, states
        Shapes (A, n) and (S, n): one contiguous row per dimension, frames of whole episodes one after the other.
    lengths
        Frames of each episode, adding up to n.
    horizon
        Actions per window.
    dims
        Dimensions to yield, each below both A and S.

    Yields
    ------
    A dimension and some of its values, float32, shape (m,).

    """
    last = last_frames(lengths)
    frames = int(last.size)
    for start in range(0, frames, PIECE):
        stop = min(start + PIECE, frames)
        here = np.arange(start, stop, dtype=np.int64)
        group = max(1, PIECE // (stop - start))
        for first in range(0, horizon, group):
            steps = np.arange(first, min(first + group, horizon), dtype=np.int64)
            index = np.minimum(here + steps[:, None], last[start:stop])
            for dim in dims:
                yield dim, (actions[dim].take(index) - states[dim, start:stop]).ravel()
