"""Paths that a user gave: asked before any work, explained when the operating system refuses, named in commands."""

import errno
import os
import re
import shlex
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from mstool.errors import MstoolError, UsageError

# What the operating system refuses whoever is at fault for it, in words.
_REFUSED = {
    errno.EROFS: "it is on a read-only file system",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EIO: "the disk has an error",
    errno.ESTALE: "the network file system lost it",
}
# What may as well be a mistake of ours, unless the path is one that the user gave.
_MISPLACED = {
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of it is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file",
    errno.EEXIST: "it is there already",
    errno.EBUSY: "it is in use",
    errno.EXDEV: "it is on another file system",
}
# What safetensors says of a full disk or quota, and torch, whose file has another length than what was written.
_NO_SPACE = re.compile(
    r"No space left|quota exceeded|inline_container\.cc:\d+\] . (unexpected pos|PytorchStreamWriter failed)"
)


def as_file_name(env_id: str) -> str:
    """Return an environment's name as one part of a path: `libero_spatial/3` is a task of a suite."""
    return env_id.replace("/", "_")


def checkpoint_name(model: Path) -> str:
    """Return `RUN@STEP` of a checkpoint in a run, .../RUN/checkpoints/STEP/pretrained_model, else the folder's name."""
    parts = model.resolve().parts
    return f"{parts[-4]}@{parts[-2]}" if len(parts) > 4 and parts[-3] == "checkpoints" else parts[-1]


def quoted(path: object) -> str:
    """Return a path as a command that someone is told to run names it, whatever its name holds."""
    return shlex.quote(str(path))


def behind_link(folder: Path) -> Path:
    """Return the folder that a link leads to, and any other path as it is."""
    return folder.resolve() if folder.is_symlink() else folder


def as_named(path: Path) -> Path:
    """Return a path with its name as the last part, which `.` and `..` lack."""
    unnamed = path.name in {"", ".."}
    return Path(os.path.abspath(path)) if unnamed else path  # noqa: PTH100 - links stay as they are


def free_beside(path: Path) -> Path:
    """Return a path beside another one, of its name and a number, at which there is nothing."""
    path = as_named(path)
    return next(each for n in count(2) if not _is_there(each := path.with_name(f"{path.name}-{n}")))


def free(path: Path) -> Path:
    """Return a path at which there is nothing, or else one beside it."""
    return free_beside(path) if _is_there(path) else path


def writable_folder(path: Path, option: str, *, beside: bool = False, fix: str = "") -> None:
    """Check that files can be written into `path`, a folder that need not exist yet; nothing is created.

    Parameters
    ----------
    path
        The folder.
    option
        The option that names it, for the message.
    beside
        It is made beside its place and then renamed, so its parent must be writable.
    fix
        What to do instead; by default to choose another.

    Raises
    ------
    UsageError
        It is a file, or below one, or nothing may be written there.

    """
    obstacle = _obstacle(path) or (_obstacle(behind_link(path).absolute().parent) if beside else "")
    if obstacle:
        raise _refusal(option, path, f"cannot be written to: {obstacle}", fix)


def writable_file(path: Path, option: str, *, fix: str = "") -> None:
    """Check that the file `path` can be written, in a folder that need not exist yet; nothing is created.

    Parameters
    ----------
    path
        The file.
    option
        The option that names it, for the message; empty where none does.
    fix
        What to do instead; by default to choose another.

    Raises
    ------
    UsageError
        As `writable_folder`, or it is a folder.

    """
    obstacle = _obstacle(path.absolute().parent)
    try:
        if not obstacle and path.is_dir():
            obstacle = f"{path} is a folder, not a file"
        if not obstacle and _is_there(path) and not os.access(path, os.W_OK):
            obstacle = "permission denied" if path.exists() else f"{path} is a link to nothing"
    except OSError as error:
        obstacle = _words(error)
    if obstacle:
        raise _refusal(option, path, f"cannot be written: {obstacle}", fix)


def no_space(error: BaseException) -> bool:
    """Tell whether an error says that the disk is full, the operating system's or of a library that writes weights."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return bool(_NO_SPACE.search(str(error)))


def explain(error: Exception, words: Sequence[str]) -> MstoolError | None:
    """Say what the operating system refused; None where neither the user nor the machine is the cause.

    Parameters
    ----------
    error
        What was raised, of whatever call; of what is no OSError, a full disk alone is known.
    words
        The command line: a path that it names is the user's.

    """
    again = "free space and run the same command again"
    if not isinstance(error, OSError):
        return MstoolError("the disk is full", fix=again) if no_space(error) else None
    known = _REFUSED | (_MISPLACED if _is_given(error, words) else {})
    if error.errno not in known:
        return None
    what = f"{error.filename}: " if error.filename else ""
    return MstoolError(
        f"{what}{known[error.errno]}",
        fix=again if no_space(error) else "choose another path, or change its permissions",
    )


def _refusal(option: str, path: Path, what: str, fix: str) -> UsageError:
    instead = _elsewhere(path) if option.startswith("--") and not fix else None
    return UsageError(
        f"{option} {path} {what}".lstrip(),
        fix=fix or (f"choose another {option}" if instead is None else f"{option} {quoted(instead)}"),
        change={option: instead} if instead else None,
    )


def _elsewhere(path: Path) -> Path | None:
    """Return a path of this name where one can be written: beside a file in its place, else at home; None for none."""
    if os.path.isfile(path) and not _obstacle(path.absolute().parent):  # noqa: PTH113 - no name is too long for it
        return free_beside(path)
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - no home is no error
    if not path.name or _obstacle(home):
        return None
    try:
        return free(home / path.name)
    except OSError:  # a name that is too long
        return None


def _obstacle(folder: Path) -> str:
    """Say why no file can be written into `folder`, or into what there is of the way to it; empty when one can."""
    folder = folder.absolute()
    missing = next((each for each in reversed(folder.parents) if not _is_there(each)), None)
    if missing is not None and ".." in folder.parts:  # where it leads is known once that is there
        return f"there is no folder {missing}"
    try:
        there = next(each for each in (folder, *folder.parents) if _is_there(each))
        if not there.is_dir():
            return f"{there} is a {'link to nothing' if there.is_symlink() else 'file, not a folder'}"
        # A file without a name: nobody sees it, and the file system answers for itself.
        with tempfile.TemporaryFile(dir=there):
            return "" if os.access(there, os.W_OK | os.X_OK) else "permission denied"
    except OSError as error:
        return _words(error) or f"nothing can be created in {there}"


def _words(error: OSError) -> str:
    return _REFUSED.get(error.errno or 0, "")


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_given(error: OSError, words: Sequence[str]) -> bool:
    """Tell whether the path at fault is one of the command line's, on the way to one or below one."""
    if not isinstance(error.filename, str):
        return False
    at_fault = Path(os.path.abspath(error.filename))  # noqa: PTH100 - links stay as they are given
    for word in words:
        given = Path(os.path.abspath(word.partition("=")[2] or word))  # noqa: PTH100
        if at_fault == given or at_fault in given.parents or given in at_fault.parents:
            return True
    return False
