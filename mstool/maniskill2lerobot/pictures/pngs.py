"""Lossless frames: one PNG per frame, in a parquet file of bytes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import pyarrow as pa
import pyarrow.parquet as pq

from mstool.contract import Array
from mstool.dataset.parquet_files import open_parquet

# Level 1: the PNG is a fifth larger than at the default level and takes a quarter of the time.
COMPRESSION = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_SCHEMA = pa.schema([("png", pa.binary())])
_BATCH = 16


class PngWriter:
    """Compress one camera of one episode frame by frame, keeping at most 16 frames in memory."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, _SCHEMA, compression="none")
        self._pending: list[bytes] = []

    def add(self, image: Array) -> None:
        """Append one frame, uint8 (H, W, 3) RGB."""
        self.add_png(cv2.imencode(".png", image[..., ::-1], COMPRESSION)[1].tobytes())

    def add_png(self, png: bytes) -> None:
        """Append one frame that is compressed already."""
        self._pending.append(png)
        if len(self._pending) == _BATCH:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()

    def abort(self) -> None:
        """Close the file; what was written is of no use."""
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.table({"png": pa.array(self._pending, pa.binary())}, _SCHEMA))
        self._pending = []


def write_pngs(path: Path, pngs: Iterable[bytes]) -> None:
    """Write PNGs that are there already, byte for byte."""
    writer = PngWriter(path)
    for png in pngs:
        writer.add_png(png)
    writer.close()


def read_pngs(path: Path) -> Iterator[bytes]:
    """Yield the PNG of every frame."""
    with open_parquet(path) as file:
        for batch in file.iter_batches(_BATCH):
            yield from batch.column(0).to_pylist()
