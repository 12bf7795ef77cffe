"""The two file formats: openpi's `norm_stats.json` and LeRobot's `meta/stats.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mstool.dataset.description import Dataset
from mstool.errors import DataError
from mstool.norm_stats.quantiles import NAMES
from mstool.norm_stats.summary import VectorStats

FILE = "norm_stats.json"


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
    """Put exact statistics into what `meta/stats.json` says now; image statistics and other entries stay.

    Shapes are LeRobot's (`lerobot/datasets/compute_stats.py`): each statistic has the feature's shape, `count` is (1,).

    Raises
    ------
    DataError
        The present file is not JSON.

    """
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
    return root / "meta" / "stats.json"


def read_stats(root: Path) -> dict[str, Any]:
    """Read a dataset's present `meta/stats.json`; empty if there is none."""
    path = stats_path(root)
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}", fix=f"it is damaged; move it away and run: mstool stats {root}") from error
    if not isinstance(document, dict):
        raise DataError(
            f"{path}: holds no JSON object", fix=f"it is damaged; move it away and run: mstool stats {root}"
        )
    return document
