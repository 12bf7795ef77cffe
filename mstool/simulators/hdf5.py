"""Read HDF5 within bounds: a demo file comes from a stranger.

A group's entry may be a link to another file of this machine, its numbers may lie in one, and a few bytes may announce
terabytes. So nothing is taken by a path: `member` steps from a group to what lies in it, and `numbers` reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path

import h5py
import numpy as np

from mstool.contract import Array
from mstool.errors import DataError

# What h5py raises where a file is damaged within.
UNREADABLE = (OSError, RuntimeError, LookupError, AttributeError, TypeError, ValueError)
# What is read at once may unpack to: a floor, and so many times the file's size. ManiSkill compresses images alone.
SPARE_BYTES = 16 * 1024**2
MOST_RATIO = 50
# HDF5 unpacks a whole chunk, whatever is asked of it.
MOST_CHUNK_BYTES = 128 * 1024**2
_FIX = "take the demos from where they were first published, or: mstool demos generate --env ENV_ID"
_LINKS = {h5py.h5l.TYPE_SOFT: "a link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return what lies in a group under a name; None where nothing does.

    Raises
    ------
    DataError
        It is a link, or its numbers lie in another file: nothing outside this file is opened.

    """
    links, key = group.id.links, name.encode()
    if not links.exists(key):
        return None
    kind = links.get_info(key).type
    if kind != h5py.h5l.TYPE_HARD:
        raise _elsewhere(group, name, f"is {_LINKS.get(kind, 'a link of an unknown kind')}")
    item = group[name]
    if isinstance(item, h5py.Dataset):
        created = item.id.get_create_plist()
        if created.get_layout() == h5py.h5d.VIRTUAL:
            raise _elsewhere(group, name, "is put together from other data sets")
        if created.get_external_count():
            raise _elsewhere(group, name, "keeps its numbers in another file")
    return item


def numbers(items: Sequence[h5py.Dataset], rows: slice | int = slice(None)) -> list[Array]:
    """Read the same rows of several data sets, after a look at what that takes.

    Raises
    ------
    DataError
        All of it unpacks to more than `SPARE_BYTES` and `MOST_RATIO` times the file's size.
    TypeError
        One holds something else than numbers.

    """
    most = SPARE_BYTES + MOST_RATIO * Path(items[0].file.filename).stat().st_size if items else 0
    total = 0
    for item in items:
        kind, shape = item.dtype, item.shape
        if kind.kind not in "fiub" or kind.itemsize > 8 or kind.subdtype or not shape:
            raise TypeError(f"{item.name} holds {kind} of shape {shape}, not rows of numbers")
        total += (
            prod(shape[1:]) * kind.itemsize * (len(range(*rows.indices(shape[0]))) if isinstance(rows, slice) else 1)
        )
        chunk = prod(item.chunks or (0,)) * kind.itemsize
        if total > most or chunk > MOST_CHUNK_BYTES:
            raise DataError(
                f"{item.name} in {Path(item.file.filename).name} announces {max(total, chunk) / 1e6:.0f} MB, more than "
                "such a file holds",
                fix=_FIX,
            )
    return [np.asarray(item[rows]) for item in items]


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
    """Return the names of the groups that are trajectories and can be opened; DataError where one is a link."""
    found = set()
    for name in file:
        with suppress(*UNREADABLE):
            if name.startswith("traj_") and isinstance(member(file, name), h5py.Group):
                found.add(name)
    return found


def read_actions(group: h5py.Group, where: str) -> Array:
    """Return actions (T, A); those of several robots are put side by side, sorted by ManiSkill's key."""
    item = member(group, "actions")
    if item is None:
        raise DataError(f"{where} has no actions")
    if isinstance(item, h5py.Dataset):
        return np.asarray(numbers([item])[0], np.float32)
    robots = [part for key in sorted(item) if isinstance(part := member(item, key), h5py.Dataset)]
    parts = [np.asarray(part, np.float32) for part in numbers(robots)]
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
    bodies = _bodies(group)
    return None if bodies is None else _by_kind(bodies, numbers(list(bodies.values()), 0))


def read_states(group: h5py.Group, steps: int) -> list[dict[str, dict[str, Array]]]:
    """Return the environment's states before each of `steps` actions and after the last one.

    Raises
    ------
    DataError
        There are none, or not as many.

    """
    bodies = _bodies(group)
    if not bodies:
        raise DataError(f"{group.name} in {group.file.filename} holds no states (env_states)")
    found = numbers(list(bodies.values()))
    for item, states in zip(bodies.values(), found, strict=True):
        if states.ndim != 2 or len(states) != steps + 1:
            raise DataError(f"{item.name} has shape {states.shape}, expected {steps + 1} rows for {steps} actions")
        if not np.isfinite(states).all():
            raise DataError(f"{item.name} has NaN or infinite numbers")
    return [_by_kind(bodies, [states[step] for states in found]) for step in range(steps + 1)]


def read_success(group: h5py.Group) -> bool | None:
    """Return whether the task was solved after the last action; None where that was not recorded."""
    flags = member(group, "success")
    return bool(numbers([flags], -1)[0]) if isinstance(flags, h5py.Dataset) and len(flags) else None


def has_flat_states(group: h5py.Group) -> bool:
    """Tell whether the environment's states are one flat array, as ManiSkill2 recorded them."""
    try:
        return isinstance(member(group, "env_states"), h5py.Dataset)
    except UNREADABLE:
        return False


def _bodies(group: h5py.Group) -> dict[tuple[str, str], h5py.Dataset] | None:
    """Return the states of every body by its kind and name; None where none were recorded body by body."""
    states = member(group, "env_states")
    if not isinstance(states, h5py.Group):
        return None
    return {(kind, name): item for kind in states for name, item in _datasets(member(states, kind))}


def _by_kind(bodies: Mapping[tuple[str, str], h5py.Dataset], rows: Sequence[Array]) -> dict[str, dict[str, Array]]:
    state: dict[str, dict[str, Array]] = {kind: {} for kind, _ in bodies}
    for (kind, name), row in zip(bodies, rows, strict=True):
        state[kind][name] = np.asarray(row, np.float32)
    return state


def _datasets(group: h5py.Group | h5py.Dataset | None) -> Iterator[tuple[str, h5py.Dataset]]:
    if not isinstance(group, h5py.Group):
        raise TypeError("the states of a kind of body are not a group")
    for name in group:
        if isinstance(item := member(group, name), h5py.Dataset):
            yield name, item


def _elsewhere(group: h5py.Group, name: str, what: str) -> DataError:
    where = f"{group.name.rstrip('/')}/{name} in {Path(group.file.filename).name}"
    return DataError(f"{where} {what}: only what is in the file itself is read", fix=_FIX)
