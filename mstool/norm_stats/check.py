"""How far an existing statistics file is from the exact values."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mstool.errors import DataError, UsageError
from mstool.json_files import load_json
from mstool.norm_stats.compute import StatsResult
from mstool.norm_stats.deviation import Deviation, FileCheck
from mstool.norm_stats.shape import EPSILON
from mstool.norm_stats.summary import VectorStats

_COMPARED = ("q01", "q99", "mean", "std")


def compare(path: Path, result: StatsResult) -> list[Deviation]:
    """Compare openpi's `norm_stats.json` or LeRobot's `stats.json` with exact values, dimension by dimension.

    Parameters
    ----------
    path
        The file. openpi's is compared over the training population, LeRobot's over the frames.
    result
        Exact statistics; with `features` where the file is LeRobot's.

    Raises
    ------
    UsageError
        There is no such file, or LeRobot's file of one dataset is compared with several.
    DataError
        The file is neither format, or has too few dimensions.

    """
    document = read_file(path)
    if isinstance(document.get("norm_stats"), dict):
        vectors = (result.state, result.actions)
        exact = {vector.key: (vector.stats, vector.names) for vector in vectors}
        entries = document["norm_stats"]
    else:
        if len(result.datasets) > 1:
            raise UsageError(f"{path} is one dataset's stats.json", fix="compare it with that dataset alone")
        features = result.datasets[0].features
        exact = {
            name: (stats, features[name].names if features[name].dims > 1 else (name,))
            for name, stats in result.features[0].items()
        }
        entries = document
    found = [key for key in exact if isinstance(entries.get(key), dict) and "mean" in entries[key]]
    if not found:
        raise DataError(
            f"{path}: neither openpi's norm_stats.json nor this dataset's stats.json (no {', '.join(exact)})",
            fix="find . -name '*stats.json'",
        )
    return [deviation for key in found for deviation in _deviations(path, key, entries[key], *exact[key])]


def check_file(path: Path, result: StatsResult) -> FileCheck:
    """Compare a file with exact values, and its settings with those that they were computed with.

    Raises
    ------
    UsageError, DataError
        As `compare`.

    """
    return FileCheck(path, tuple(compare(path, result)), tuple(differing_settings(path, result)))


def read_file(path: Path) -> dict[str, Any]:
    """Read a statistics file of either format as it is.

    Raises
    ------
    UsageError
        There is no such file.
    DataError
        It is not a JSON object.

    """
    if not path.is_file():
        raise UsageError(f"--check {path}: no such file", fix="find . -name '*stats.json'")
    try:
        document = load_json(path)
    except (OSError, ValueError) as error:
        what = "cannot be read" if isinstance(error, OSError) else "is no JSON file of statistics"
        raise DataError(f"{path} {what}: {error}", fix="mstool stats DATASET", change={"--check": None}) from error
    if not isinstance(document, dict):
        raise DataError(f"{path} is not a JSON object", fix="find . -name '*stats.json'")
    return document


def _deviations(
    path: Path, key: str, entry: Mapping[str, Any], exact: VectorStats, names: tuple[str, ...]
) -> Iterator[Deviation]:
    true = {"q01": exact.q01, "q99": exact.q99, "mean": exact.mean, "std": exact.std}
    theirs = {}
    for name in _COMPARED:
        if entry.get(name) is None:
            continue
        try:
            values = np.ravel(np.array(entry[name], dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{path}: {key}.{name} is not a list of numbers", fix="the file is damaged: write it again"
            ) from error
        # More dimensions than the data are padding, as in openpi's released assets.
        if values.size < len(names):
            raise DataError(
                f"{path}: {key}.{name} has {values.size} dimensions, the data {len(names)}",
                fix="the file is of another dataset or config: give --config as it was trained",
            )
        theirs[name] = values
    gap = exact.q99 - exact.q01 + EPSILON
    for dim, label in enumerate(names):
        each = {name: float((values[dim] - true[name][dim]) / gap[dim] * 2) for name, values in theirs.items()}
        worst = max(each, key=lambda name: np.inf if np.isnan(each[name]) else abs(each[name]))
        yield Deviation(key, dim, label, worst, float(theirs[worst][dim]), float(true[worst][dim]), each[worst], each)


def differing_settings(path: Path, result: StatsResult) -> list[str]:
    """Say which settings a file written by `mstool stats` notes otherwise than this result; nothing for other files."""
    noted = read_file(path).get("mstool")
    if not isinstance(noted, dict):
        return []
    ours = result.provenance
    return [
        f"{path} was computed with {name} {noted[name]}, this is {name} {ours[name]}"
        for name in ("config", "horizon", "delta", "episodes", "frames")
        if name in noted and noted[name] != ours[name]
    ]
