"""The statistics of what a policy was trained on: the dataset's own file, or what a checkpoint normalises with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import NORM_STATS_FILE, STATS_FILE, read_object
from mstool.errors import DataError
from mstool.paths import quoted

_STATE = ("observation.state", "state", "joint_position+gripper_position")
_ACTION = ("action", "actions")
_NAMES = ("min", "max", "mean", "std", "q01", "q99")


@dataclass(frozen=True)
class TrainingStats:
    """Statistics of the state (S,) and the action (D,): {`min`, `max`, `mean`, `std`, `q01`, `q99`: array}."""

    state: Mapping[str, Array]
    action: Mapping[str, Array]
    # Where they were read.
    source: str


def dataset_stats(root: Path) -> TrainingStats:
    """Read LeRobot's statistics, whose quantiles `mstool convert` makes exact; for v2.1 openpi's.

    Raises
    ------
    DataError
        There is neither, or state or action are not in it.

    """
    path = next((root / name for name in (STATS_FILE, NORM_STATS_FILE) if (root / name).is_file()), None)
    if path is None:
        raise DataError(f"{root} has no statistics ({STATS_FILE})", fix=f"mstool stats {quoted(root)}")
    return _read(path, f"mstool stats {quoted(root)}")


def checkpoint_stats(model: Path) -> TrainingStats:
    """Read what a checkpoint was normalised with: the file beside it, or its preprocessor's own numbers.

    Raises
    ------
    DataError
        No preprocessor with statistics was saved.

    """
    from safetensors.numpy import load_file

    beside = model / NORM_STATS_FILE
    if beside.is_file():
        return _read(beside, f"mstool eval --policy {quoted(model)} --dataset DATASET")
    for path in sorted(model.glob("*normalizer*.safetensors")):
        table: dict[str, dict[str, Array]] = {}
        for key, value in load_file(path).items():
            column, _, name = key.rpartition(".")
            table.setdefault(column, {})[name] = value
        if "observation.state" in table and "action" in table:
            return _stats(table, str(path))
    raise DataError(f"{model} holds no statistics of its training data", fix="add --dataset DATASET")


def _read(path: Path, fix: str) -> TrainingStats:
    table = read_object(path, fix=fix)
    return _stats(table.get("norm_stats", table), str(path))


def _stats(table: Mapping[str, Any], source: str) -> TrainingStats:
    return TrainingStats(_vector(table, _STATE, source), _vector(table, _ACTION, source), source)


def _vector(table: Mapping[str, Any], alternatives: tuple[str, ...], source: str) -> dict[str, Array]:
    for names in alternatives:
        parts = [table[name] for name in names.split("+") if name in table]
        if len(parts) == len(names.split("+")):
            return {
                name: np.concatenate([np.atleast_1d(np.asarray(part[name], np.float64)).ravel() for part in parts])
                for name in _NAMES
                if all(name in part for part in parts)
            }
    raise DataError(f"{source} has no statistics of {' or '.join(alternatives)}")
