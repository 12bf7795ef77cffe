"""Videos cut into episodes, packet by packet where they are `VideoWriter`'s."""

import errno
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from mstool.dataset.media import open_video
from mstool.errors import DataError
from mstool.maniskill2lerobot.pictures.video import CODEC_NAME, PIX_FMT, VideoWriter, decode

type Parts = Sequence[tuple[Path, int]]


def split(path: Path, parts: Parts, fps: int) -> bool:
    """Cut a video into its parts again.

    Parameters
    ----------
    path
        The mp4 to read.
    parts
        (path, number of frames) in order; together they are the whole video.
    fps
        Frames per second.

    Returns
    -------
    Whether its frames had to be encoded once more: another tool wrote it with another codec, with frames that are not
    stored in the order in which they are shown, or without a key frame where a part begins.

    Raises
    ------
    DataError
        The video is unreadable or holds another number of frames.

    """
    try:
        copied = _can_be_cut(path, parts)
        (_copy_parts if copied else _encode_parts)(path, parts, fps)
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise DataError(f"{path}: unreadable video ({error})", fix="convert or download the dataset again") from error
    return not copied


def _can_be_cut(path: Path, parts: Parts) -> bool:
    begins = {sum(frames for _, frames in parts[:number]) for number in range(len(parts))}
    with open_video(path) as source:
        stream = source.streams.video[0]
        return (stream.codec_context.name, stream.codec_context.pix_fmt) == (CODEC_NAME, PIX_FMT) and all(
            packet.pts == packet.dts and (packet.is_keyframe or k not in begins)
            for k, packet in enumerate(source.demux(stream))
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


def _encode_parts(path: Path, parts: Parts, fps: int) -> None:
    images = decode(path)
    for target, frames in parts:
        writer = VideoWriter(target, fps)
        added = 0
        for image in islice(images, frames):
            writer.add(image)
            added += 1
        if added < frames:
            writer.abort()
            raise _too_few(path)
        writer.close()
    if next(images, None) is not None:
        raise _too_many(path)


def _too_few(path: Path) -> DataError:
    return DataError(f"{path} holds fewer frames than its episodes", fix="convert or download the dataset again")


def _too_many(path: Path) -> DataError:
    return DataError(f"{path} holds more frames than its episodes", fix="convert or download the dataset again")
