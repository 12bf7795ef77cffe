"""LeRobot's own tools, called in this process as their commands call them.

An edit of a small dataset takes less than a second, the import before it ten. The commands themselves, in processes
of their own, run in `journey/test_lerobot_edits.py`.
"""

import sys
from pathlib import Path
from unittest.mock import patch


def edit(operation: str, *words: object, source: Path | None = None, out: Path | None = None) -> Path | None:
    """Run `lerobot-edit-dataset` with `--operation.WORD` for each of `words`; returns `out`.

    Parameters
    ----------
    operation
        LeRobot's name for it; `merge` names its sources by `words`.
    source
        The dataset to edit; without `out`, in place.
    out
        The folder that LeRobot writes.

    """
    from lerobot.scripts.lerobot_edit_dataset import edit_dataset

    where = [f"--repo_id=t/{source.name}", f"--root={source}"] if source else []
    where += ["--new_repo_id=t/out", f"--new_root={out}"] if out else []
    line = [*where, f"--operation.type={operation}", *(f"--operation.{word}" for word in words)]
    # The command is this function after logging is set up, which would take the handlers that pytest has set.
    with patch.object(sys, "argv", ["lerobot-edit-dataset", *line]):
        edit_dataset()
    return out


def convert_v21(root: Path) -> None:
    """Convert a v2.1 dataset to v3.0 in place, as `convert_dataset_v21_to_v30` does."""
    from lerobot.scripts.convert_dataset_v21_to_v30 import convert_dataset

    convert_dataset(repo_id="t/old", root=str(root), push_to_hub=False)
