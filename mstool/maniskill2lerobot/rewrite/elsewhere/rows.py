"""The rows of an episode, read from parquet as they are."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import data_file, filled_fix, inside, needed
from mstool.dataset.formats.rows import png_struct
from mstool.dataset.parquet_files import open_parquet, read_footer
from mstool.dataset.unreadable import unreadable_parquet
from mstool.errors import DataError
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source
from mstool.paths import quoted


class RowReader:
    """Reads a dataset's episodes; the file and the row groups of the last one stay at hand."""

    def __init__(self, source: Source) -> None:
        self._source = source
        features = source.info.features
        self._stored = [old for old in source.columns.values() if features[old].dtype != "video"]
        self._file: tuple[Path, pq.ParquetFile, Mapping[int, tuple[int, int]], list[int]] | None = None
        self._groups: tuple[tuple[int, ...], pa.Table] | None = None

    def read(self, row: EpisodeRow) -> dict[str, pa.Array]:
        """Return an episode's columns under their names in the result, as they are stored.

        Raises
        ------
        DataError
            The file is damaged, lacks a column, or does not hold the episode.

        """
        source = self._source
        with needed(source.root):
            path = data_file(source.root, source.info.raw, row.data)
        try:
            table = self._rows(path, row)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            reason = unreadable_parquet(path, error)
            fix = filled_fix(reason.fix, source.root) or f"mstool validate {quoted(source.root)}"
            raise DataError(f"{path}: {reason.what}", fix=fix) from error
        return {name: self._column(table, old) for name, old in source.columns.items() if old in self._stored}

    def _rows(self, path: Path, row: EpisodeRow) -> pa.Table:
        if self._file is None or self._file[0] != path:
            self._open(path)
        assert self._file is not None
        _, file, where, bounds = self._file
        first, count = where.get(row.index, (0, 0))
        if count != row.length:
            raise DataError(
                f"{path} holds {count} rows of episode {row.index} one after the other, the episode table says "
                f"{row.length}",
                fix=f"mstool validate {quoted(self._source.root)}",
            )
        groups = tuple(g for g in range(file.num_row_groups) if bounds[g] < first + count and bounds[g + 1] > first)
        if self._groups is None or self._groups[0] != groups:
            self._groups = groups, file.read_row_groups(list(groups), columns=self._stored)
        return self._groups[1].slice(first - bounds[groups[0]], count)

    def _open(self, path: Path) -> None:
        if self._file is not None:
            self._file[1].close()
        self._groups = None
        file = open_parquet(path)
        lacking = [name for name in self._stored if name not in file.schema_arrow.names]
        if lacking:
            raise DataError(
                f"{path}: no column {', '.join(lacking)}, though the description lists it",
                fix=f"mstool validate {quoted(self._source.root)}",
            )
        sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        of_episode = file.read(columns=["episode_index"]).column(0).to_numpy()
        self._file = path, file, _stretches(of_episode), [0, *np.cumsum(sizes).tolist()]

    def _column(self, table: pa.Table, name: str) -> pa.Array:
        column = table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # pyarrow keeps more than one chunk of large data
            column = pa.concat_arrays(column.chunks)
        if isinstance(column, pa.ExtensionArray):  # of `datasets`' matrices, where that library is loaded
            column = column.storage
        feature = self._source.info.features[name]
        if feature.dtype == "image":
            return self._pictures(column, name)
        while feature.shape == (1,) and pa.types.is_nested(column.type):  # lists of one number
            column = column.flatten()
        if len(column) != len(table):
            raise DataError(f"{self._source.root}: {name} has not one value in every row", fix=self._validate)
        return column

    def _pictures(self, column: pa.Array, name: str) -> pa.Array:
        """Put pictures that lie in files beside into the rows, as LeRobot's own writer does."""
        if not pa.types.is_struct(column.type) or not {"bytes", "path"} <= {field.name for field in column.type}:
            raise DataError(f"{self._source.root}: {name} is not a column of images", fix=self._validate)
        stored, paths = column.field("bytes"), column.field("path")
        if stored.null_count:
            with needed(self._source.root):
                stored = pa.array(
                    [
                        cell if cell is not None else _file_bytes(inside(self._source.root, str(path)))
                        for cell, path in zip(stored.to_pylist(), paths.to_pylist(), strict=True)
                    ],
                    pa.binary(),
                )
        return png_struct(stored, paths)

    @property
    def _validate(self) -> str:
        return f"mstool validate {quoted(self._source.root)}"


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", fix="download the dataset again, its images too") from error


def _stretches(of_episode: np.ndarray[Any, np.dtype[Any]]) -> dict[int, tuple[int, int]]:
    """Return {episode: (first row, rows)} of the longest stretch of each."""
    starts = np.flatnonzero(np.diff(of_episode, prepend=of_episode[:1] - 1))
    found: dict[int, tuple[int, int]] = {}
    for first, end in zip(starts.tolist(), [*starts[1:].tolist(), len(of_episode)], strict=True):
        episode = int(of_episode[first])
        if end - first > found.get(episode, (0, 0))[1]:
            found[episode] = first, end - first
    return found


def undeclared(source: Source) -> Sequence[str]:
    """Return the columns of the first data file that the description does not list."""
    with needed(source.root):
        path = data_file(source.root, source.info.raw, source.rows[0].data)
    return tuple(name for name in _names(path) if name not in source.info.features and name != "__index_level_0__")


@lru_cache(maxsize=64)
def _names(path: Path) -> tuple[str, ...]:
    try:
        return tuple(read_footer(path).schema.to_arrow_schema().names)
    except (OSError, pa.ArrowException):
        return ()  # whoever reads the rows says why
