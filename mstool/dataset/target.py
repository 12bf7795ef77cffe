"""The folder a dataset goes to: checked before any work, filled by one rename."""

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath

from mstool.dataset.files import INFO_FILE
from mstool.dataset.locate import READERS, is_dataset
from mstool.dataset.own_files import is_own_file
from mstool.errors import UsageError
from mstool.folders import alone, beside, check_nothing_else, made, replace_folder
from mstool.paths import free, free_beside, quoted, writable_folder


def _is_ours(root: Path) -> bool:
    """Tell whether a folder is a LeRobot dataset, or one per format as `--format both` writes them."""
    return any(is_dataset(folder) for folder in (root, root / "v3.0", root / "v2.1"))


def work_folder(root: Path) -> Path:
    """Return the folder beside `root` that keeps finished episodes while a conversion runs."""
    return beside(root, "work")


def check_target(root: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot or must not be written; nothing is created.

    Raises
    ------
    UsageError
        `root` exists (and `overwrite` is False, or it is not a dataset, or holds something else besides), or the folder
        it belongs into cannot be written to, or is a dataset, or this process stands in it.

    """
    refuse_around(root)
    writable_folder(root, "--output", beside=True)
    if not _is_ours(root):
        refuse_in_dataset(root, "--output", "new")
    if not root.exists() or not any(root.iterdir()):
        return
    if not _is_ours(root):
        raise UsageError(
            f"{root} exists and is not a LeRobot dataset (no {INFO_FILE}): nothing replaces it",
            fix="choose another --output",
            change={"--output": free_beside(root)},
        )
    if not overwrite:
        raise UsageError(
            f"{root} exists",
            fix="add --overwrite to replace it, or choose another --output",
            change={"--overwrite": True},
        )
    refuse_others(root)


def refuse_around(root: Path) -> None:
    """Refuse a target in which this process stands, as `.`, `..` and `/`: no folder can be renamed to it.

    Raises
    ------
    UsageError
        It does.

    """
    here = Path.cwd()
    if not here.is_relative_to(os.path.realpath(root)):
        return
    dataset = next((each for each in (here, *here.parents) if _is_ours(each)), None)
    other = free(Path("dataset")) if dataset is None else free_beside(dataset)
    raise UsageError(
        f"--output {root} is the folder that this command runs in, or holds it: give the name of one to be made",
        fix=f"--output {quoted(other)}",
        change={"--output": other},
    )


def refuse_others(root: Path, *, known: Collection[str] = ()) -> None:
    """Refuse a dataset in whose folder lies something else, `known` names apart: it would be removed with it.

    Raises
    ------
    UsageError
        Something does.

    """
    check_nothing_else(root, "a dataset", lambda path: path.as_posix() in known or _is_own(path))


def _is_own(path: PurePath) -> bool:
    """Tell whether a file's path is one of a dataset's folder, or of one with a dataset per format."""
    first, *rest = path.parts
    return is_own_file(PurePosixPath(*(rest if first in READERS and rest else path.parts)))


def refuse_nested(root: Path, sources: Sequence[Path]) -> None:
    """Refuse a target that is a dataset which is read, lies in one, or holds one: it would become part of it, or gone.

    Raises
    ------
    UsageError
        It is one of these.

    """
    target = root.resolve()
    for source in sources:
        read = source.resolve()
        if target == read:
            raise UsageError(
                f"--output {root} is the dataset that is read",
                fix="choose another --output",
                change={"--output": free_beside(source)},
            )
        if target.is_relative_to(read) or read.is_relative_to(target):
            how = "lies in" if target.is_relative_to(read) else "holds"
            raise UsageError(
                f"--output {root} {how} {source}, which is read",
                fix="choose another --output",
                change={"--output": free_beside(source)},
            )


def refuse_in_dataset(folder: Path, option: str, purpose: str) -> None:
    """Refuse to write files that are no part of a dataset into one: they would be pushed with it.

    Parameters
    ----------
    folder
        Where they would go; something can be written there.
    option
        The option that names it.
    purpose
        What they are, for the name of the folder beside the dataset that the fix gives.

    Raises
    ------
    UsageError
        It is a dataset, or lies in one.

    """
    inside = folder.resolve()
    around = next((each for each in (inside, *inside.parents) if is_dataset(each)), None)
    if around is None:
        return
    # As it was given, where its name was.
    inner = (each for each in (folder, *folder.parents) if each.name not in {"", ".."})
    given = next((each for each in inner if each.resolve() == around), around)
    other = given.with_name(f"{given.name}-{purpose}")
    how = "is a LeRobot dataset" if inside == around else f"lies in the LeRobot dataset {given}"
    raise UsageError(
        f"{option} {folder} {how}: other files do not belong there",
        fix=f"{option} {quoted(other)}",
        change={option: other},
    )


@contextmanager
def locked(work: Path, *, kept: str) -> Iterator[None]:
    """Hold the work folder for one run at a time, whatever way that run ends.

    Parameters
    ----------
    work
        The folder, made where it is missing.
    kept
        A pattern of files for whose sake the folder stays after the run; it is removed when it has none.

    Raises
    ------
    UsageError
        Another run is at work on the same dataset.

    """
    with made(work), alone(work / "lock", f"another run is writing the dataset of {work}"):
        try:
            yield
        finally:
            if next(work.glob(kept), None) is None:
                shutil.rmtree(work, ignore_errors=True)


def put_in_place(built: Path, root: Path, *, overwrite: bool) -> None:
    """Rename `built` to `root`; with `overwrite` the old dataset is removed only once the new one stands."""
    check_target(root, overwrite=overwrite)
    replace_folder(built, root)
