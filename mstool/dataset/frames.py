"""Pictures of a dataset: video headers, and a few decoded frames, from mp4 files or PNGs in parquet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from mstool.contract import Array
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import Unavailable, data_file, inside, video_file
from mstool.dataset.media import open_image, open_video
from mstool.dataset.parquet_files import batches, open_parquet


@dataclass(frozen=True)
class VideoHeader:
    """What a video file says of itself; its packets are read, which needs no decoding."""

    width: int
    height: int
    rate: Fraction
    # When each frame is shown, s, in order: float64 (n,).
    times: Array
    pix_fmt: str

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self.times)


# Pixels up to which starting threads takes longer than decoding on one.
_SMALL = 256 * 256
# Files whose headers are kept: v2.1 has one for each episode and camera, and several checks ask for each.
_KEPT = 100_000
_headers: dict[tuple[Path, float], VideoHeader | None] = {}


def video_header(path: Path) -> VideoHeader | None:
    """Read a file's header and the times of its packets; None where it cannot be opened or breaks off."""
    key = (path, path.stat().st_mtime if path.exists() else 0.0)
    if key not in _headers:
        if len(_headers) >= _KEPT:
            _headers.clear()
        _headers[key] = _read_header(path)
    return _headers[key]


def _read_header(path: Path) -> VideoHeader | None:
    try:
        with open_video(path) as container:
            stream = container.streams.video[0]
            ticks = [packet.pts for packet in container.demux(stream) if packet.size and packet.pts is not None]
            tick = stream.time_base or Fraction(1)
            ticks.sort()
            # By the packets: what the container says of the average leaves out that the last one's length is unknown.
            length = (ticks[-1] - ticks[0]) * tick if ticks else Fraction(0)
            rate = (len(ticks) - 1) / length if length else stream.average_rate or stream.base_rate or Fraction(0)
            times = np.array(ticks, dtype=np.float64) * float(tick)
            codec = stream.codec_context
            return VideoHeader(codec.width, codec.height, Fraction(rate), times, str(codec.pix_fmt))
    except (av.FFmpegError, OSError, IndexError, ValueError):
        return None


def read_pictures(
    root: Path, info: Mapping[str, Any], row: EpisodeRow, camera: str, positions: Sequence[int]
) -> list[Array]:
    """Decode frames of one episode: uint8 (H, W, 3) RGB each.

    Parameters
    ----------
    root
        The dataset's folder.
    info
        Its description, which may be damaged.
    row
        The episode's row of the episode table.
    camera
        The column.
    positions
        Frames, from 0 at the episode's start.

    Raises
    ------
    Unavailable
        The file is missing or damaged, or ends before the frame.

    """
    try:
        read = _from_video if info["features"][camera]["dtype"] == "video" else _from_parquet
        pictures = read(root, info, row, camera, positions)
    except (av.FFmpegError, OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise Unavailable(f"{camera} of episode {row.index}: {str(error).splitlines()[0] or repr(error)}") from error
    if len({picture.shape for picture in pictures}) > 1:
        raise Unavailable(f"{camera} of episode {row.index}: its images are of several sizes (MS303)")
    return pictures


def _from_video(
    root: Path, info: Mapping[str, Any], row: EpisodeRow, camera: str, positions: Sequence[int]
) -> list[Array]:
    if camera not in row.videos:
        raise Unavailable(f"the episode table does not say where {camera} is")
    span = row.videos[camera]
    path = video_file(root, info, span.place, camera)
    wanted = sorted(set(positions))
    found: dict[int, Array] = {}
    with open_video(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if stream.width * stream.height <= _SMALL:
            stream.thread_count = 1
        header = video_header(path)
        rate = float(header.rate if header and header.rate else info["fps"])
        # Frames of the file, by its own rate: the check of the rates reports one that is not the dataset's.
        first = round(span.start * rate)
        base = float(stream.time_base or 1)
        at = -1
        decoder = iter(container.decode(stream))
        for position in wanted:
            target = first + position
            # Decode on where the frame is near, else jump to the key frame before it.
            if at < 0 or target - at > 64:
                container.seek(max(int((target - 0.5) / rate / base), 0), stream=stream)
                decoder = iter(container.decode(stream))
            for frame in decoder:
                at = round(float(frame.pts or 0) * base * rate)
                if at >= target:
                    found[position] = frame.to_ndarray(format="rgb24")
                    break
            else:
                raise Unavailable(
                    f"{camera} of episode {row.index}: the video ends before {target / rate:.2f} s, frame {position}"
                )
    return [found[position] for position in positions]


def _from_parquet(
    root: Path, info: Mapping[str, Any], row: EpisodeRow, camera: str, positions: Sequence[int]
) -> list[Array]:
    wanted = {row.first + position for position in positions}
    found: dict[int, Array] = {}
    with open_parquet(data_file(root, info, row.data)) as file:
        start = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if wanted.isdisjoint(range(start, start + rows)):
                start += rows
                continue
            for batch in batches(file, rows, [camera], [group]):
                for i in wanted.intersection(range(start, start + len(batch))):
                    found[i] = _decode(batch.column(0)[i - start].as_py(), root)
                start += len(batch)
    return [found[row.first + position] for position in positions]


def _decode(cell: dict[str, object], root: Path) -> Array:
    """Decode one image cell, stored bytes or a path within the dataset."""
    with open_image(_source(cell, root)) as image:
        return np.asarray(image.convert("RGB"))


def _source(cell: Mapping[str, object], root: Path) -> bytes | Path:
    stored = cell["bytes"]
    return stored if isinstance(stored, bytes) else inside(root, str(cell["path"]))


def image_shapes(root: Path, path: Path, camera: str) -> Counter[tuple[int, int, int]]:
    """Count the images of one data file by (height, width, channels), as their headers say; none is decoded.

    A picture with a palette counts as one channel: LeRobot makes its numbers the pixels.

    Raises
    ------
    Unavailable
        The file or an image's header cannot be read.

    """
    found: Counter[tuple[int, int, int]] = Counter()
    try:
        with open_parquet(path) as file:
            for batch in batches(file, 64, [camera], range(file.num_row_groups)):
                for cell in batch.column(0).to_pylist():
                    with open_image(_source(cell, root)) as image:
                        found[image.height, image.width, len(image.getbands())] += 1
    except Exception as error:  # arrow and Pillow raise many kinds
        raise Unavailable(f"{camera} in {path.name}: {(str(error).splitlines() or [repr(error)])[0]}") from error
    return found
