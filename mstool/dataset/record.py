"""The record: what a dataset's numbers mean and how it was made, kept in a file of its own.

LeRobot passes over files that it does not know, but warns about entries of `meta/info.json` that it does not know, and
drops them when it rewrites that file. Up to version 0.1.1 the record was such an entry; it is still read there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mstool.errors import DataError

RECORD_FILE = "meta/mstool/record.json"
_INFO_FILE = "meta/info.json"
_INFO_ENTRY = "mstool"


def read_record(root: Path) -> dict[str, Any]:
    """Return the record of the dataset at `root`; empty where there is none: made elsewhere, or rewritten by LeRobot.

    Raises
    ------
    DataError
        The record, or the file that may hold it, is not a JSON object.

    """
    own = root / RECORD_FILE
    if own.is_file():
        return _read(own)
    info = root / _INFO_FILE
    entry = _read(info).get(_INFO_ENTRY) if info.is_file() else None
    return entry if isinstance(entry, dict) else {}


def write_record(root: Path, record: Mapping[str, Any]) -> None:
    """Write the record of the dataset at `root`."""
    path = root / RECORD_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    fix = f"mstool describe {path.parents[path.parts[::-1].index('meta')]} --from ORIGINAL --overwrite"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error}", fix=fix) from error
    if not isinstance(data, dict):
        raise DataError(f"{path}: not a JSON object", fix=fix)
    return data
