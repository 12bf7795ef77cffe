"""The statistics of what a policy was trained on: the dataset's own file, or what a checkpoint normalises with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import NORM_STATS_FILE, STATS_FILE, read_object
from mstool.errors import DataError
from mstool.paths import quoted

_STATE = ("observation.state", "state", "joint_position+gripper_position")
_ACTION = ("action", "actions")
_ANOTHER = "use another checkpoint of the run, or fetch this one again"
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


def checkpoint_stats(model: Path) -> TrainingStats | None:
    """Read what a checkpoint was normalised with: the file beside it, or its preprocessor's own numbers.

    Parameters
    ----------
    model
        A checkpoint's folder.

    Returns
    -------
    The statistics; None where no preprocessor with any was saved.

    Raises
    ------
    DataError
        They are damaged.

    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    beside = model / NORM_STATS_FILE
    if beside.is_file():
        return _read(beside, f"rm {quoted(beside)}")  # the preprocessor's own are read then
    for path in sorted(model.glob("*normalizer*.safetensors")):
        table: dict[str, dict[str, Array]] = {}
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path} cannot be read: {error}", fix=_ANOTHER) from error
        for key, value in tensors.items():
            column, _, name = key.rpartition(".")
            table.setdefault(column, {})[name] = value
        if "observation.state" in table and "action" in table:
            return _stats(table, path, _ANOTHER)
    return None


def _read(path: Path, fix: str) -> TrainingStats:
    table = read_object(path, fix=fix)
    return _stats(table.get("norm_stats", table), path, fix)


def _stats(table: object, path: Path, fix: str) -> TrainingStats:
    try:
        return TrainingStats(_vector(table, _STATE), _vector(table, _ACTION), str(path))
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} holds no norm stats: {error}", fix=fix) from error


def _vector(table: object, alternatives: tuple[str, ...]) -> dict[str, Array]:
    known = table if isinstance(table, dict) else {}
    for names in alternatives:
        parts = [known[name] for name in names.split("+") if isinstance(known.get(name), dict)]
        if len(parts) == len(names.split("+")):
            return {
                name: np.concatenate([np.atleast_1d(np.asarray(part[name], np.float64)).ravel() for part in parts])
                for name in _NAMES
                if all(name in part for part in parts)
            }
    raise ValueError(f"none of {' or '.join(alternatives)}")
