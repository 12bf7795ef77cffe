"""A video's packets: when each is shown, and which of them are an episode. Nothing is decoded."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from mstool.contract import Array
from mstool.dataset.media import open_video
from mstool.errors import DataError

# Beyond it (s) a frame's time is not k / fps: LeRobot's reader would not find it.
EXACT_S = 1e-4


@dataclass(frozen=True)
class PacketIndex:
    """The packets of one video file, in the order in which they are stored."""

    # When each is shown, s, float64 (n,); whether decoding can begin there, bool (n,); bytes, int64 (n,).
    times: Array
    keys: Array
    sizes: Array
    # Where each comes in the order in which they are shown, int64 (n,).
    rank: Array
    # How the file was encoded: packets of two files fit together when it is the same.
    encoding: str


@dataclass(frozen=True)
class Packets:
    """One episode's packets within a file."""

    # The first of them in the order in which they are stored.
    first: int
    # Which frame of the episode each is, in that order, int64 (T,).
    frames: Array
    # How far a frame's time is from k / fps at most, s.
    off: float
    # Whether they can be taken out: they are stored together, and decoding can begin with the first.
    apart: bool
    # Bytes.
    size: int


def packet_index(path: Path, *, probe: bool = True) -> PacketIndex:
    """Read where a video's packets are; `probe` is `open_video`'s.

    Raises
    ------
    DataError
        It cannot be opened, or breaks off.

    """
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", fix="convert or download the dataset again") from error
    return _read(path, stat.st_mtime_ns, stat.st_size, probe)


@lru_cache(maxsize=4096)
def _read(path: Path, _changed: int, _size: int, probe: bool) -> PacketIndex:
    with _readable(path), open_video(path, probe=probe) as source:
        return _index(source.streams.video[0], _demux(source))


@contextmanager
def all_packets(path: Path, *, probe: bool = True) -> Iterator[tuple[PacketIndex, Any, list[Any]]]:
    """Open a video and read all of it into memory: where its packets are, PyAV's stream, and they themselves.

    `probe` is `open_video`'s.

    Raises
    ------
    DataError
        It cannot be opened, or breaks off.

    """
    with ExitStack() as opened:
        with _readable(path):
            source = opened.enter_context(open_video(path, probe=probe))
            packets = list(_demux(source))
            index = _index(source.streams.video[0], packets)
        yield index, source.streams.video[0], packets


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise DataError(f"{path}: unreadable video ({error})", fix="convert or download the dataset again") from error


def _demux(source: Any) -> Iterator[Any]:
    # The demuxer's closing packet is empty.
    return (packet for packet in source.demux(source.streams.video[0]) if packet.size and packet.pts is not None)


def _index(stream: Any, packets: Iterable[Any]) -> PacketIndex:
    codec, tick = stream.codec_context, stream.time_base or Fraction(1)
    said = [str(codec.name), str(codec.width), str(codec.height)]
    # A header says the pixel format as well, which is not known of a stream that was not probed.
    digest = hashlib.sha256(" ".join(said).encode() + (codec.extradata or str(codec.pix_fmt).encode()))
    found = [(packet.pts, packet.is_keyframe, packet.size) for packet in packets]
    ticks, keys, sizes = (np.array(column) for column in (zip(*found, strict=True) if found else ((), (), ())))
    times = ticks.astype(np.float64) * float(tick)
    rank = np.empty(len(times), np.int64)
    rank[np.argsort(times, kind="stable")] = np.arange(len(times))
    return PacketIndex(times, keys.astype(bool), sizes.astype(np.int64), rank, digest.hexdigest())


def find_packets(
    path: Path, start: float, frames: int, fps: float, *, alone: bool, index: PacketIndex | None = None
) -> Packets:
    """Find the packets of an episode.

    Parameters
    ----------
    path
        The video.
    start
        When the episode's first frame is shown, s.
    frames
        Its length.
    fps
        Frames per second.
    alone
        Whether the file holds this episode only: then its frames are the first ones, whenever they are shown.
    index
        The file's, where it has been read.

    Raises
    ------
    DataError
        The file holds another number of frames in that time.

    """
    index = index or packet_index(path)
    rank = index.rank
    if alone:
        inside = rank < frames
    else:
        position = (index.times - start) * fps
        inside = (position >= -0.5) & (position < frames - 0.5)
    (at,) = np.nonzero(inside)
    if len(at) != frames or not frames:
        until = start + frames / fps
        raise DataError(
            f"{path} holds {len(at)} frames from {start:.3f} to {until:.3f} s, its episode has {frames}",
            fix="convert or download the dataset again",
        )
    shown = rank[at] - rank[at].min()
    begin = index.times[at].min() if alone else start
    off = float(np.abs(index.times[at] - (begin + shown / fps)).max())
    together = bool(at[-1] - at[0] == frames - 1)
    apart = together and bool(index.keys[at[0]]) and shown[0] == 0
    return Packets(int(at[0]), shown, off, apart, int(index.sizes[at].sum()))
