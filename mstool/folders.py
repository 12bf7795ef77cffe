"""Folders that one run at a time works in, or that are replaced, with nothing lost that somebody still wants."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePath
from typing import TextIO

from mstool.errors import UsageError
from mstool.paths import as_named, behind_link, free_beside

# What hubs, version control of a hub's kind and file managers leave in folders, of no worth without the rest.
_BY_THE_WAY = frozenset({".gitattributes", ".cache", ".DS_Store"})
_TRAINS = "another run trains in"
# Names in a message.
_NAMED = 3


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder, and those that it lies in, for the block to fill; if that fails, none that is empty is left."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in missing:
            with suppress(OSError):  # it is filled
                each.rmdir()
        raise


@contextmanager
def alone(lock: Path, said: str) -> Iterator[None]:
    """Hold a file, made where it is missing, for as long as the block runs; whoever else comes is refused.

    Parameters
    ----------
    lock
        The file, in a folder that is there. Its time stays as it was.
    said
        What the one who is refused is told of the other.

    Raises
    ------
    UsageError
        Another process holds it.

    """
    file = lock.open("a")
    while not _held(file, lock, said):
        file.close()
        file = lock.open("a")
    with file:
        yield


def _held(file: TextIO, lock: Path, said: str) -> bool:
    """Lock an open file; False where another run, which had it, has removed it meanwhile."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise UsageError(f"{said}: wait for it to end", fix="run the same command again then", change={}) from error
    except OSError:  # a file system without locks: nobody is refused
        return True
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


@contextmanager
def in_turn(lock: Path, wait: Callable[[], object]) -> Iterator[None]:
    """Hold a file, made where it is missing, for as long as the block runs; whoever else comes waits for its turn.

    Parameters
    ----------
    lock
        The file, in a folder that is there.
    wait
        Called by the one who waits, before it does.

    """
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield


@contextmanager
def writing_alone(folder: Path, doing: str) -> Iterator[None]:
    """Hold a folder while the block writes into it, by a file beside it that is removed at the end.

    Parameters
    ----------
    folder
        It need not exist yet.
    doing
        What the one who is refused is told of the other, before the folder's name.

    Raises
    ------
    UsageError
        Another run writes into it.

    """
    lock = beside(folder, "lock")
    with made(lock.parent), _alone_in(folder, doing, lock):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def training_alone(output: Path) -> AbstractContextManager[None]:
    """Hold the folder of a run while a block trains in it; see `writing_alone`."""
    return writing_alone(output, _TRAINS)


def check_no_training(output: Path) -> None:
    """Check that no run trains in a folder; nothing is written.

    Raises
    ------
    UsageError
        One does.

    """
    lock = beside(output, "lock")
    if lock.is_file():
        with _alone_in(output, _TRAINS, lock):
            pass


def _alone_in(folder: Path, doing: str, lock: Path) -> AbstractContextManager[None]:
    return alone(lock, f"{doing} {folder}")


def check_spared(output: Path, option: str, read: Mapping[str, Path | None], *, fix: str = "") -> None:
    """Check that a folder that is replaced holds nothing that is read: {what it is: where it is}.

    Raises
    ------
    UsageError
        It does.

    """
    for what, path in read.items():
        if path is not None and path.resolve().is_relative_to(output.resolve()):
            raise UsageError(f"{option} {output} holds {what} that is read", fix=fix or f"choose another {option}")


def check_nothing_else(folder: Path, kind: str, is_own: Callable[[PurePath], bool]) -> None:
    """Check that a folder which --overwrite replaces holds only what its kind does: the rest would be lost.

    Parameters
    ----------
    folder
        It is there.
    kind
        What it is: `a dataset`.
    is_own
        Tells whether a file's path below the folder is one that such a folder has.

    Raises
    ------
    UsageError
        It holds something else.

    """
    others = sorted({_named(path) for path in _files(folder) if not is_own(path)})
    if others:
        named = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" if len(others) > _NAMED else "")
        raise UsageError(
            f"{folder} holds {named}, no part of {kind}: --overwrite would remove that too",
            fix="move it away, or choose another --output",
            change={"--output": free_beside(folder)},
        )


def _files(folder: Path) -> Iterator[PurePath]:
    """Yield every file and link below a folder, as paths below it; of those left by the way none."""
    for root, folders, files in os.walk(folder):
        below = PurePath(root).relative_to(folder)
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in _BY_THE_WAY]
        yield from (below / name for name in [*files, *links] if name not in _BY_THE_WAY)


def _named(path: PurePath) -> str:
    """Return what a file is named by: of a hidden folder, as version control's, that folder."""
    return path.parts[0] if path.parts[0].startswith(".") else path.as_posix()


def beside(folder: Path, purpose: str) -> Path:
    """Return a hidden neighbour of a folder, which may be given as `.` or by a link, on its own file system."""
    folder = as_named(behind_link(folder))
    return folder.with_name(f".{folder.name}.{purpose}")


def replace_folder(built: Path, target: Path) -> None:
    """Rename `built`, on the same file system, to `target`; what was there is removed once the new one stands.

    What fails between the two, an interrupt too, puts back what was there. A link stays, and leads to the new one.
    """
    target = behind_link(target)
    old = beside(target, "old")
    try:
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        built.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
