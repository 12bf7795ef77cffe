"""The metadata files of a stored dataset."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mstool.errors import DataError

type Row = dict[str, Any]


def rows_v3(root: Path) -> list[Row]:
    """Read a v3.0 dataset's episode table without its statistics; `task` is the episode's one instruction."""
    files = sorted((root / "meta" / "episodes").rglob("*.parquet"))
    rows: list[Row] = []
    for path in files:
        names = [name for name in pq.read_schema(path).names if not name.startswith("stats/")]
        rows += pq.read_table(path, columns=names).to_pylist()
    for row in rows:
        (row["task"],) = row["tasks"]
    return sorted(rows, key=lambda row: int(row["episode_index"]))


def rows_v21(root: Path) -> list[Row]:
    """Read a v2.1 dataset's episode table; `task` is the episode's one instruction."""
    text = (root / "meta" / "episodes.jsonl").read_text(encoding="utf-8")
    rows: list[Row] = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        (row["task"],) = row["tasks"]
    return sorted(rows, key=lambda row: int(row["episode_index"]))


def read_object(path: Path) -> Row:
    """Read a JSON object; DataError when it is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}", fix="convert or download the dataset again") from error
    if not isinstance(data, dict):
        raise DataError(f"{path}: holds no JSON object", fix="convert or download the dataset again")
    return data
