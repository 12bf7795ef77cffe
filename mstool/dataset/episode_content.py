"""Recognise an episode by its numbers, whatever another tool did to its index, its pictures or its files."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mstool.dataset.info import Feature
from mstool.dataset.parquet_files import open_parquet
from mstool.errors import DataError
from mstool.paths import quoted

_ROWS = 10_000


def vector_columns(features: Mapping[str, Feature]) -> list[str]:
    """Return the columns of float vectors: state, actions and what else is measured in every frame."""
    return [
        name
        for name, feature in features.items()
        if feature.dtype.startswith("float") and feature.shape not in {(1,), ()}
    ]


def episode_digests(root: Path, columns: Sequence[str]) -> list[str]:
    """Return a SHA-256 of each episode's float32 values in `columns`, in the order of `episode_index`.

    Raises
    ------
    DataError
        A data file cannot be read, or lacks a column.

    """
    digests: dict[int, Any] = {}
    for path in sorted((root / "data").rglob("*.parquet")):
        try:
            with open_parquet(path) as file:
                for batch in file.iter_batches(_ROWS, columns=["episode_index", *columns]):
                    _add(batch, columns, digests)
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise DataError(f"{path}: {error}", fix=f"mstool validate {quoted(root)}") from error
    return [digests[episode].hexdigest() for episode in sorted(digests)]


def _add(batch: pa.RecordBatch, columns: Sequence[str], digests: dict[int, Any]) -> None:
    episodes = batch.column("episode_index").to_numpy()
    rows = np.hstack([_matrix(batch.column(name), len(episodes)) for name in columns])
    starts = np.flatnonzero(np.diff(episodes, prepend=episodes[:1] - 1))
    for first, last in zip(starts, [*starts[1:], len(episodes)], strict=True):
        digest = digests.setdefault(int(episodes[first]), hashlib.sha256())
        digest.update(np.ascontiguousarray(rows[first:last]).tobytes())


def _matrix(column: pa.Array, rows: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    while True:
        if isinstance(column, pa.ExtensionArray):  # as `datasets` stores matrices
            column = column.storage
        if not any(is_list(column.type) for is_list in lists):
            break
        column = column.flatten()
    return np.asarray(column, dtype=np.float32).reshape(rows, -1)
