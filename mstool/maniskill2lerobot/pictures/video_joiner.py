"""Parts of videos as one video, packet by packet."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from mstool.dataset.formats.base import VideoPart
from mstool.dataset.media import open_video
from mstool.errors import DataError
from mstool.maniskill2lerobot.pictures.packets import (
    EXACT_S,
    PacketIndex,
    Packets,
    all_packets,
    find_packets,
    packet_index,
)
from mstool.maniskill2lerobot.pictures.profiles import CODEC_NAME

# Files that stay open between two calls: a dataset's cameras.
_OPEN = 12


@dataclass
class _Reading:
    """A file of which some packets have been read."""

    container: Any
    # Of the next packet.
    position: int = 0

    def __post_init__(self) -> None:
        self.packets = self._packets()

    def _packets(self) -> Iterator[Any]:
        for packet in self.container.demux(self.container.streams.video[0]):
            if packet.size:
                self.position += 1
                yield packet


class VideoJoiner:
    """Writes parts of videos as one video, packet by packet: nothing is decoded or encoded.

    Frame k of the whole is shown at exactly k / fps. Parts that are taken out of one file in its order cost one reading
    of it, whatever the number of calls. B-frames keep their order: a packet is decoded as many steps before it is shown
    as any of the parts needs.
    """

    def __init__(self) -> None:
        self._open: dict[Path, _Reading] = {}

    def __call__(self, parts: Sequence[VideoPart], target: Path, fps: float) -> None:
        """Write `parts`, of one encoding, to the mp4 `target`; those that cannot be taken apart stay together.

        Raises
        ------
        DataError
            A video is unreadable, holds another number of frames than said, or its packets cannot be taken out.

        """
        parts = runs(parts, fps)
        if len(parts) == 1 and _is_whole(parts[0], fps):
            shutil.copyfile(parts[0].path, target)
            return
        delay = 0
        while (needed := self._join(parts, target, fps, delay)) > delay:
            delay = needed

    def _join(self, parts: Sequence[VideoPart], target: Path, fps: float, delay: int) -> int:
        """Join with packets decoded `delay` steps before they are shown; that of a part that needs more."""
        step = 1 / Fraction(str(fps))
        with av.open(str(target), "w", format="mp4") as out:
            stream = header = None
            shown = 0
            for part in parts:
                # The whole's header is made of what a probe of the first part finds.
                with self._taken(part, fps, probe=stream is None) as (index, template, found, packets):
                    if (needed := int((np.arange(len(found.frames)) - found.frames).max())) > delay:
                        return needed
                    if stream is None:
                        header = index.encoding
                        # Opaque: no encoder of that codec is asked for; the header of ours has always come from one.
                        ours = template.codec_context.name == CODEC_NAME
                        stream = out.add_stream_from_template(template, opaque=not ours)
                        stream.time_base = step
                    elif index.encoding != header:
                        raise DataError(
                            f"{part.path} was encoded otherwise than the videos before it: packets cannot be joined"
                        )
                    for number, frame in enumerate(found.frames.tolist()):
                        packet = next(packets)
                        packet.stream = stream
                        packet.time_base = step
                        packet.pts, packet.dts = shown + frame, shown + number - delay
                        packet.duration = 1
                        out.mux(packet)
                shown += part.frames
        return delay

    @contextmanager
    def _taken(
        self, part: VideoPart, fps: float, *, probe: bool
    ) -> Iterator[tuple[PacketIndex, Any, Packets, Iterator[Any]]]:
        """Open a part: its file's packets, PyAV's stream, which packets are the part's, and those."""
        if part.alone:  # read once, as a whole
            with all_packets(part.path, probe=probe) as (index, stream, packets):
                found = _packets_of(part, fps, index)
                yield index, stream, found, iter(packets[found.first :])
            return
        found = _packets_of(part, fps)
        reading = self._at(part.path, found.first)
        yield packet_index(part.path), reading.container.streams.video[0], found, reading.packets
        self._close_read(part.path)

    def _at(self, path: Path, first: int) -> _Reading:
        """Return the file, read up to packet `first`."""
        reading = self._open.get(path)
        if reading is None or reading.position > first:
            if reading is not None:
                self._open.pop(path).container.close()
            while len(self._open) >= _OPEN:
                self._open.pop(next(iter(self._open))).container.close()
            reading = self._open[path] = _Reading(open_video(path))
        for _ in islice(reading.packets, first - reading.position):
            pass
        return reading

    def _close_read(self, path: Path) -> None:
        if self._open[path].position == len(packet_index(path).times):
            self._open.pop(path).container.close()


def runs(parts: Sequence[VideoPart], fps: float) -> list[VideoPart]:
    """Make one part of each that can be taken out and those behind it that cannot."""
    found: list[VideoPart] = []
    for part in parts:
        last = found[-1] if found else None
        follows = last is not None and last.path == part.path
        if last and follows and not part.apart and abs(part.start - last.start - last.frames / fps) < 0.5 / fps:
            found[-1] = replace(last, frames=last.frames + part.frames, size=last.size + part.size)
        else:
            found.append(part)
    return found


def _packets_of(part: VideoPart, fps: float, index: PacketIndex | None = None) -> Packets:
    found = find_packets(part.path, part.start, part.frames, fps, alone=part.alone, index=index)
    if not found.apart:
        raise DataError(f"{part.path}: the packets of its frames from {part.start:.3f} s on cannot be taken out")
    return found


def _is_whole(part: VideoPart, fps: float) -> bool:
    index = packet_index(part.path, probe=False)
    found = _packets_of(part, fps, index)
    return len(index.times) == part.frames and found.off < EXACT_S and index.times.min() == 0
