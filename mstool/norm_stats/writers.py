"""The two file formats: openpi's and LeRobot's."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mstool.dataset.description import Dataset
from mstool.dataset.files import STATS_FILE, needed, read_stats
from mstool.norm_stats.quantiles import NAMES
from mstool.norm_stats.summary import VectorStats


def openpi_document(state: VectorStats, actions: VectorStats, provenance: Mapping[str, object]) -> dict[str, object]:
    """Build openpi's document (`src/openpi/shared/normalize.py`): per key the lists mean, std, q01 and q99.

    What it was computed with goes beside `norm_stats`, under `mstool`, where openpi's reader does not look.
    """
    return {
        "norm_stats": {
            key: {
                "mean": stats.mean.tolist(),
                "std": stats.std.tolist(),
                "q01": stats.q01.tolist(),
                "q99": stats.q99.tolist(),
            }
            for key, stats in (("state", state), ("actions", actions))
        },
        "mstool": dict(provenance),
    }


def lerobot_document(dataset: Dataset, stats: Mapping[str, VectorStats]) -> dict[str, object]:
    """Put exact statistics into what LeRobot's file says now; image statistics and other entries stay.

    Shapes are LeRobot's (`lerobot/datasets/compute_stats.py`): each statistic has the feature's shape, `count` is (1,).

    Raises
    ------
    DataError
        The present file is damaged.

    """
    document: dict[str, object] = {}
    if stats_path(dataset.root).exists():
        with needed(dataset.root):
            document = read_stats(dataset.root)
    for name, exact in stats.items():
        shape = dataset.features[name].shape
        values = {"min": exact.min, "max": exact.max, "mean": exact.mean, "std": exact.std}
        values |= {quantile: exact.quantiles[quantile] for quantile in NAMES}
        entry: dict[str, object] = {key: np.reshape(value, shape).tolist() for key, value in values.items()}
        document[name] = entry | {"count": [exact.count]}
    return document


def stats_path(root: Path) -> Path:
    """Where LeRobot keeps a v3.0 dataset's statistics."""
    return root / STATS_FILE
