"""Read the parts of one trajectory's HDF5 group."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np

from mstool.contract import Array
from mstool.errors import DataError

# What h5py raises where a file is damaged within.
UNREADABLE = (OSError, RuntimeError, LookupError, AttributeError, TypeError, ValueError)


def open_h5(path: Path) -> h5py.File:
    """Open a file for reading.

    Raises
    ------
    DataError
        Another process writes it, it cannot be locked where it is, or it is no HDF5 file.

    """
    try:
        return h5py.File(path, "r")
    except BlockingIOError as error:
        raise DataError(f"{path} is in use by another process", fix="wait until it is written") from error
    except OSError as error:
        text = str(error)
        if "already open for write" in text:
            raise DataError(
                f"{path} is in use by another process, or one that wrote it was killed",
                fix=f"wait until it is written; or: h5clear -s {path}",
            ) from error
        if "unable to lock file" in text:
            raise DataError(
                f"{path} cannot be locked: its file system has no locks", fix="export HDF5_USE_FILE_LOCKING=FALSE"
            ) from error
        if not path.stat().st_size:
            raise DataError(f"{path} is empty") from error
        raise DataError(f"{path} is not a readable HDF5 file (truncated, or not HDF5): {text}") from error


def trajectories(file: h5py.File) -> set[str]:
    """Return the names of the groups that are trajectories and can be opened."""
    found = set()
    for name in file:
        with suppress(*UNREADABLE):
            if name.startswith("traj_") and isinstance(file[name], h5py.Group):
                found.add(name)
    return found


def read_actions(item: h5py.Dataset | h5py.Group, where: str) -> Array:
    """Return actions (T, A); those of several robots are put side by side, sorted by ManiSkill's key."""
    if isinstance(item, h5py.Dataset):
        return np.asarray(item, np.float32)
    parts = [np.asarray(item[key], np.float32) for key in sorted(item) if isinstance(item[key], h5py.Dataset)]
    if not parts or len(parts) != len(item) or {(part.ndim, len(part)) for part in parts} != {(2, len(parts[0]))}:
        raise DataError(f"{where} has dict-valued actions that are not one (steps, width) array per robot")
    return np.concatenate(parts, axis=1)


def stamp(path: Path) -> str:
    """Identify a file by size and time of change."""
    # Reading every picture twice to hash it would double the time of a conversion without simulation.
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def read_first_state(group: h5py.Group) -> dict[str, dict[str, Array]] | None:
    """Return the environment's state before the first action; None where none was recorded body by body."""
    if "env_states" not in group or has_flat_states(group):
        return None
    return {
        kind: {name: np.asarray(states[0], np.float32) for name, states in _datasets(group["env_states"][kind])}
        for kind in group["env_states"]
    }


def has_flat_states(group: h5py.Group) -> bool:
    """Tell whether the environment's states are one flat array, as ManiSkill2 recorded them."""
    try:
        return isinstance(group.get("env_states"), h5py.Dataset)
    except UNREADABLE:
        return False


def _datasets(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    for name, item in group.items():
        if isinstance(item, h5py.Dataset):
            yield name, item
