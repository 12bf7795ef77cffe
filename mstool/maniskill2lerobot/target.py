"""The folder a dataset goes to: checked before any work, filled by one rename."""

import os
import shutil
from pathlib import Path

from mstool.errors import UsageError


def work_folder(root: Path) -> Path:
    """Return the folder beside `root` that keeps finished episodes while a conversion runs."""
    return root.with_name(f".{root.name}.work")


def check_target(root: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot or must not be written; nothing is created but missing parent folders.

    Raises
    ------
    UsageError
        `root` exists (and `overwrite` is False, or it is not a dataset), or its parent cannot be written to.

    """
    if root.exists():
        if not overwrite:
            raise UsageError(f"{root} exists", fix="add --overwrite to replace it, or choose another --root")
        if not (root / "meta" / "info.json").is_file() and any(root.iterdir() if root.is_dir() else [root]):
            raise UsageError(
                f"{root} is not a LeRobot dataset (no meta/info.json), so --overwrite does not touch it",
                fix="choose another --root",
            )
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(root.parent, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise UsageError(f"{root.parent} cannot be written to", fix="choose another --root")


def put_in_place(built: Path, root: Path, *, overwrite: bool) -> None:
    """Rename `built` to `root`; with `overwrite` the old dataset is removed only once the new one stands."""
    check_target(root, overwrite=overwrite)
    old = root.with_name(f".{root.name}.old")
    if root.exists():
        shutil.rmtree(old, ignore_errors=True)
        root.rename(old)
    built.rename(root)
    shutil.rmtree(old, ignore_errors=True)
