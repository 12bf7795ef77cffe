"""The dataset that a path means: every command finds it, or says which other path is meant, by the same words."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from mstool.dataset.files import INFO_FILE
from mstool.errors import UsageError, WrongWordError
from mstool.nearest import folder_beside, folders_beside
from mstool.paths import quoted

# What `--format both` writes below one folder, and who reads it.
READERS = {"v3.0": "for LeRobot", "v2.1": "for openpi"}


def is_dataset(root: Path) -> bool:
    """Tell whether `root` is the folder of a LeRobot dataset."""
    return (root / INFO_FILE).is_file()


def datasets_below(root: Path) -> tuple[Path, ...]:
    """Return the datasets in a folder that is none itself: one per format, per task, or per task and format."""
    return tuple(_below(root, depth=2)) if root.is_dir() and not is_dataset(root) else ()


def locate(root: Path, *, prefer: str = "v3.0") -> Path:
    """Return `root`, which is the folder of a dataset.

    Parameters
    ----------
    root
        What the user gave.
    prefer
        The format that the command reads, named first where the folder holds one dataset per format.

    Raises
    ------
    UsageError
        It does not exist, is a file, or is not a dataset; where another path is meant, the error names it.

    """
    if is_dataset(root):
        return root
    if not root.exists():
        said = f"{root} does not exist"
        if instead := folder_beside(root, is_dataset):
            raise WrongWordError(f"{said}; did you mean {instead}?", given=root, instead=instead)
        if beside := folders_beside(root, is_dataset):
            there = ", ".join(folder.name for folder in beside)
            raise UsageError(f"{said}; beside it there are: {there}", fix=_find(root.parent))
        raise UsageError(
            f"{said}; a dataset is a local folder",
            fix=f"mstool convert --env PickCube-v1 --output {quoted(root)}",
        )
    around = next((folder for folder in root.resolve().parents if is_dataset(folder)), None)
    if around is not None:
        instead = _as_given(root, around)
        raise WrongWordError(f"{root} is a part of the dataset {instead}", given=root, instead=instead)
    if not root.is_dir():
        raise UsageError(f"{root} is a file; a dataset is a folder", fix=_find(Path()))
    inside = sorted(datasets_below(root), key=lambda folder: (folder.name != prefer, folder.name not in READERS))
    if inside:
        names = [f"{folder.relative_to(root)} ({READERS[folder.name]})" if folder.name in READERS
                 else str(folder.relative_to(root)) for folder in inside]  # fmt: skip
        raise WrongWordError(
            f"{root} is not a dataset, it holds {len(inside)}: {', '.join(names)}", given=root, instead=inside[0]
        )
    raise UsageError(f"{root} is not a LeRobot dataset (no {INFO_FILE})", fix=_find(Path()))


def check_distinct(roots: Sequence[Path], *command: str, least: int = 1) -> None:
    """Check that no dataset is given twice, in whichever words.

    Parameters
    ----------
    roots
        What the user gave.
    *command
        The command, and its words after the datasets.
    least
        How many datasets it takes at least.

    Raises
    ------
    UsageError
        One is.

    """
    first: dict[Path, Path] = {}
    again: dict[str, object] = {}
    for root in roots:
        if first.setdefault(root.resolve(), root) != root or roots.count(root) > 1:
            again[str(root)] = None
    if again:
        lacking = ["ANOTHER"][: least - len(first)]
        once = [*map(str, first.values()), *lacking]
        raise UsageError(
            f"the same dataset is given twice: {', '.join(again)}",
            fix=shlex.join(["mstool", *command[:1], *once, *command[1:]]),
            change=again | dict.fromkeys(lacking, "ANOTHER"),
        )


def _below(root: Path, *, depth: int) -> Iterator[Path]:
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        if is_dataset(folder):
            yield folder
        elif depth > 1:
            yield from _below(folder, depth=depth - 1)


def _find(folder: Path) -> str:
    """Return the command that lists the datasets in a folder."""
    return f"find {quoted(folder)} -path '*/{INFO_FILE}'"


def _as_given(root: Path, folder: Path) -> Path:
    """Return the `folder` around `root`, relative where `root` was."""
    return next((path for path in root.parents if path.resolve() == folder), folder)
