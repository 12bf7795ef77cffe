"""Videos cut into episodes, packet by packet where they are `VideoWriter`'s."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from mstool.contract import VideoProfile
from mstool.dataset.media import open_video
from mstool.errors import DataError
from mstool.maniskill2lerobot.pictures.profiles import PROFILES, is_profile
from mstool.maniskill2lerobot.pictures.video import VideoQuality, VideoWriter, decode

type Parts = Sequence[tuple[Path, int]]


@dataclass(frozen=True)
class Split:
    """What was done to a video's frames."""

    # Whether another tool wrote them: with another codec, not stored in the order in which they are shown, or without
    # a key frame where a part begins.
    foreign: bool
    # How near each part is to what it was decoded from; empty where packets were copied.
    quality: Sequence[VideoQuality]


def split(path: Path, parts: Parts, fps: int, stored: VideoProfile = "exact", wanted: VideoProfile = "exact") -> Split:
    """Cut a video into its parts again.

    Parameters
    ----------
    path
        The mp4 to read.
    parts
        (path, number of frames) in order; together they are the whole video.
    fps
        Frames per second.
    stored, wanted
        How its dataset says that it is encoded, and how the parts are to be. Packets are copied where both are the
        same, and the video is `VideoWriter`'s.

    Raises
    ------
    DataError
        The video is unreadable or holds another number of frames.

    """
    try:
        foreign = not _can_be_cut(path, parts, stored)
        if stored == wanted and not foreign:
            _copy_parts(path, parts, fps)
            return Split(foreign, ())
        return Split(foreign, _encode_parts(path, parts, fps, wanted))
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise DataError(f"{path}: unreadable video ({error})", fix="convert or download the dataset again") from error


def _can_be_cut(path: Path, parts: Parts, profile: VideoProfile) -> bool:
    begins = {sum(frames for _, frames in parts[:number]) for number in range(len(parts))}
    if not is_profile(path, profile):
        return False
    with open_video(path) as source:
        return all(
            packet.pts == packet.dts and (packet.is_keyframe or k not in begins)
            for k, packet in enumerate(source.demux(source.streams.video[0]))
            if packet.dts is not None
        )


def _copy_parts(path: Path, parts: Parts, fps: int) -> None:
    step = Fraction(1, fps)
    with open_video(path) as source:
        template = source.streams.video[0]
        packets = (packet for packet in source.demux(template) if packet.dts is not None)
        for target, frames in parts:
            with av.open(str(target), "w", format="mp4") as out:
                stream = out.add_stream_from_template(template)
                stream.time_base = step
                for k in range(frames):
                    packet = next(packets, None)
                    if packet is None:
                        raise _too_few(path)
                    packet.stream = stream
                    packet.time_base = step
                    packet.pts = packet.dts = k
                    packet.duration = 1
                    out.mux(packet)
        if next(packets, None) is not None:
            raise _too_many(path)


def _encode_parts(path: Path, parts: Parts, fps: int, profile: VideoProfile) -> list[VideoQuality]:
    images, quality = decode(path), []
    for target, frames in parts:
        writer = VideoWriter(target, fps, PROFILES[profile])
        added = 0
        for image in islice(images, frames):
            writer.add(image)
            added += 1
        if added < frames:
            writer.abort()
            raise _too_few(path)
        quality.append(writer.close())
    if next(images, None) is not None:
        raise _too_many(path)
    return quality


def _too_few(path: Path) -> DataError:
    return DataError(f"{path} holds fewer frames than its episodes", fix="convert or download the dataset again")


def _too_many(path: Path) -> DataError:
    return DataError(f"{path} holds more frames than its episodes", fix="convert or download the dataset again")
