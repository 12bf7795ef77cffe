"""Statistics of images that LeRobot's file lacks: from those of the episodes where there are, else from a sample."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import Unavailable
from mstool.dataset.view import DatasetView

# Episodes, spread evenly, and images of each, that are decoded where no episode has statistics.
_EPISODES, _IMAGES = 40, 8


def missing_views(root: Path, present: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return LeRobot's statistics of every view that `present` has none of.

    Values are (3, 1, 1) between 0 and 1, and `count` (1,), as lerobot 0.6.1, datasets/compute_stats.py, has them. Views
    whose images cannot be decoded are left out: `mstool validate` says why.
    """
    found = {}
    view = DatasetView(root)
    try:
        for camera in (camera for camera in view.cameras if not present.get(camera)):
            found[camera] = _stats(view, camera)
    except Unavailable:
        pass
    return found


def _stats(view: DatasetView, camera: str) -> dict[str, Any]:
    try:
        parts = [_kept(row, camera) for row in view.episodes]
    except (KeyError, TypeError, ValueError):
        parts = list(_sampled(view, camera))
    low, high, mean, square, count = (np.array(column) for column in zip(*parts, strict=True))
    weights = count / count.sum()
    mean_of_all = (mean * weights[:, None]).sum(axis=0)
    variance = (square * weights[:, None]).sum(axis=0) - mean_of_all**2
    values = {"min": low.min(axis=0), "max": high.max(axis=0), "mean": mean_of_all}
    values["std"] = np.sqrt(np.maximum(variance, 0))
    shaped: dict[str, Any] = {name: value.reshape(3, 1, 1).tolist() for name, value in values.items()}
    return shaped | {"count": [int(count.sum())]}


def _kept(row: EpisodeRow, camera: str) -> tuple[Array, Array, Array, Array, float]:
    """Return (min, max, mean, mean square) of (3,) each, and the number of images, of an episode's own statistics."""
    entry = row.stats[camera]
    low, high, mean, std = (np.array(entry[n], np.float64).reshape(3) for n in ("min", "max", "mean", "std"))
    if high.max() > 1.001:
        raise ValueError
    return low, high, mean, std**2 + mean**2, float(np.ravel(entry["count"])[0])


def _sampled(view: DatasetView, camera: str) -> Iterator[tuple[Array, Array, Array, Array, float]]:
    rows = [row for row in view.episodes if row.length]
    for at in np.unique(np.linspace(0, len(rows) - 1, min(_EPISODES, len(rows))).round().astype(int)):
        row = rows[at]
        positions = sorted({int(i) for i in np.linspace(0, row.length - 1, min(_IMAGES, row.length)).round()})
        for image in view.pictures(row, camera, positions):
            pixels = image.reshape(-1, 3).astype(np.float64) / 255
            yield pixels.min(axis=0), pixels.max(axis=0), pixels.mean(axis=0), (pixels**2).mean(axis=0), 1.0
