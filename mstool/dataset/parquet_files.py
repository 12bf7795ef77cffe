"""Parquet files of strangers: what the footer announces is compared with the file's size before anything is read.

A column of one value, or compressed zeros, takes a few bytes on disk and gigabytes in memory.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# What a file may unpack to: a floor, and so many times its size. Numbers that change in every row stay below 50 times.
SPARE_BYTES = 256 * 1024**2
MOST_RATIO = 200
# Bytes of a value in memory; of text and images, where it begins.
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT96": 12}
_TEXT = "BYTE_ARRAY"


def open_parquet(path: Path, *, spare: int = SPARE_BYTES) -> pq.ParquetFile:
    """Open a file, whose rows unpack to no more than `spare` bytes and `MOST_RATIO` times its size.

    Raises
    ------
    OSError
        It is not there or not a regular file.
    pa.ArrowInvalid
        It is damaged, or announces more.

    """
    if not path.is_file():
        raise FileNotFoundError(f"{path.name}: no such file")
    file = pq.ParquetFile(path)
    announced, most = _announced(file.metadata), spare + MOST_RATIO * path.stat().st_size
    if announced > most:
        file.close()
        raise pa.ArrowInvalid(
            f"{path.stat().st_size} bytes that announce {announced / 1e9:.1f} GB of rows, more than {most / 1e9:.1f} GB"
        )
    return file


def read_footer(path: Path) -> pq.FileMetaData:
    """Read how many rows a file has and their schema, and no row; OSError and pa.ArrowInvalid as `open_parquet`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.name}: no such file")
    return pq.read_metadata(path)


def batches(file: pq.ParquetFile, rows: int, columns: Sequence[str], groups: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield row groups in batches of at most `rows`, fewer where one value repeated in all of them is too large."""
    names = tuple(f"{name}." for name in columns)
    chunks = (file.metadata.row_group(group).column(i) for group in groups for i in range(file.metadata.num_columns))
    texts = [chunk for chunk in chunks if chunk.physical_type == _TEXT and f"{chunk.path_in_schema}.".startswith(names)]
    largest = max((chunk.total_uncompressed_size for chunk in texts), default=0)
    fitting = max(1, SPARE_BYTES // largest) if largest else rows
    yield from file.iter_batches(batch_size=min(rows, fitting), columns=list(columns), row_groups=list(groups))


def _announced(footer: pq.FileMetaData) -> int:
    total = 0
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for i in range(group.num_columns):
            chunk = group.column(i)
            total += max(chunk.total_uncompressed_size, chunk.num_values * _WIDTHS.get(chunk.physical_type, 8))
    return total
