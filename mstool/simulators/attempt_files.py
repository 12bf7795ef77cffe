"""Attempts at seeds on disk, one file each, complete or absent: what an interrupted run goes on with."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import h5py

from mstool.errors import DataError
from mstool.folders import alone, made
from mstool.simulators.demos import Attempt
from mstool.simulators.hdf5 import UNREADABLE, open_h5
from mstool.simulators.hdf5_writing import HeldFile

_NAME = "seed_{}.hdf5"
# What another run does with the demos' place, for who is refused meanwhile.
RECORDS = "another run records the demos of"


def attempt_file(folder: Path, seed: int) -> Path:
    """Return where the attempt at a seed is."""
    return folder / _NAME.format(seed)


def write_attempt(folder: Path, attempt: Attempt, fill: Callable[[h5py.File], None]) -> None:
    """Write one; `fill` adds the demo of a solved one, and of a failure only that it was one is kept."""
    aside = folder / f".{uuid4().hex}"
    try:
        with HeldFile(aside) as file:
            file.attrs.update({name: getattr(attempt, name) for name in ("seed", "steps", "failure", "left_out")})
            if attempt.success:
                fill(file)
        aside.replace(attempt_file(folder, attempt.seed))
    finally:
        aside.unlink(missing_ok=True)


def read_attempt(path: Path) -> Attempt | None:
    """Return how one ended; None where the file is damaged."""
    try:
        with open_h5(path) as file:
            seed, steps, left_out = (int(file.attrs[name]) for name in ("seed", "steps", "left_out"))
            failure = str(file.attrs["failure"])
            return Attempt(seed, success=not failure, steps=steps, failure=failure, left_out=left_out)
    except (*UNREADABLE, DataError):
        return None


def attempts_in(folder: Path) -> dict[int, Attempt]:
    """Return the attempts of an earlier run, by seed."""
    return {
        attempt.seed: attempt for file in folder.glob(_NAME.format("*")) if (attempt := read_attempt(file)) is not None
    }


@contextmanager
def kept_attempts(folder: Path) -> Iterator[None]:
    """Hold a folder of attempts for one run at a time; it goes once the run has ended well, or is of no use.

    Raises
    ------
    UsageError
        Another run is at work there.

    """
    with made(folder), alone(folder / "lock", f"another run is at work in {folder}"):
        useful = True
        try:
            yield
            useful = False
        finally:
            if not useful or not any(folder.glob(_NAME.format("*"))):
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):  # others are at work beside it
                    folder.parent.rmdir()
