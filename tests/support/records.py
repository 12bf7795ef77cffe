"""The records of datasets that a command wrote: looked at, and changed as a user's editor would."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mstool.dataset.record import RECORD_FILE, read_record, write_record

__all__ = ["drop_record", "edited_record", "read_record"]


@contextmanager
def edited_record(root: Path) -> Iterator[dict[str, Any]]:
    """Hand out the record to be changed, and write it back."""
    record = read_record(root)
    yield record
    write_record(root, record)


def drop_record(root: Path) -> None:
    """Leave the dataset as LeRobot's own tools leave it: without what mstool said of it."""
    (root / RECORD_FILE).unlink()
