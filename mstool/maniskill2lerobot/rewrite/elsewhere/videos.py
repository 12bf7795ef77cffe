"""Where each episode's pictures are within its videos; encoded again where their packets cannot be taken out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from mstool.contract import Array, Version, VideoProfile
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import needed, video_file
from mstool.dataset.formats.base import VideoPart
from mstool.dataset.media import open_video
from mstool.dataset.view import channels, is_depth
from mstool.errors import DataError
from mstool.maniskill2lerobot.pictures.packets import EXACT_S, find_packets, packet_index
from mstool.maniskill2lerobot.pictures.profiles import PROFILES, is_profile
from mstool.maniskill2lerobot.pictures.video import VideoWriter
from mstool.maniskill2lerobot.pictures.video_joiner import runs
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source, without_columns
from mstool.paths import quoted
from mstool.progress import Progress


@dataclass(frozen=True)
class ColumnVideos:
    """The pictures of one column of one dataset."""

    # One per episode.
    parts: Sequence[VideoPart]
    # What happens to them on the way.
    notes: Sequence[str]


@dataclass(frozen=True)
class Videos:
    """The videos of all columns of a dataset."""

    parts: Mapping[str, Sequence[VideoPart]]
    # The columns that were encoded again.
    again: Sequence[str]


def videos_of(
    source: Source,
    version: Version,
    scratch: Path,
    notes: list[str],
    *,
    but: Collection[str] = (),
    profile: VideoProfile | None = None,
) -> Videos:
    """Find a dataset's videos, `but` some; what cannot be copied is encoded again below `scratch`. Adds to `notes`.

    With a `profile`, so is what is of another, depth left aside.
    """
    parts: dict[str, Sequence[VideoPart]] = {}
    again, other = [], []
    for name, spec in source.features.items():
        if spec["dtype"] != "video" or name in but:
            continue
        found = find_videos(source, name)
        notes += found.notes
        parts[name] = found.parts
        wanted = profile if profile and _is_rgb(source, name) else None
        if not _can_be_copied(found.parts, float(source.info.fps), version):
            parts[name] = encode_again(source, name, found, scratch / name, profile or "exact")
            again.append(name)
        elif wanted and not _is_of(found.parts, wanted):
            parts[name] = encode_again(source, name, found, scratch / name, wanted)
            other.append(name)
    copied = [name for name in parts if name not in {*again, *other}]
    if copied:
        notes.append(f"{source.root.name}: videos of {', '.join(copied)} are copied, packet by packet")
    if again:
        notes.append(
            f"{source.root.name}: videos of {', '.join(again)} are decoded and encoded once more: their packets cannot "
            "be taken apart where episodes begin"
        )
    if other:
        notes.append(
            f"{source.root.name}: videos of {', '.join(other)} were decoded and encoded once more, as {profile}"
        )
    return Videos(parts, [*again, *other])


def check_size(source: Source, name: str, profile: VideoProfile) -> None:
    """Check that a column's pictures can be encoded so; DataError where they cannot."""
    height, width = source.info.raw["features"][source.columns[name]]["shape"][:2]
    if profile == "portable" and (height % 2 or width % 2):
        raise DataError(
            f"{source.root}: {source.columns[name]} is {height}x{width}: 4:2:0 needs an even height and width",
            fix="add --video-profile exact, or leave it out",
        )


def is_encoded(source: Source, profile: VideoProfile) -> bool:
    """Whether all of a dataset's videos of colours are of a profile already."""
    names = [name for name, spec in source.features.items() if spec["dtype"] == "video" and _is_rgb(source, name)]
    return all(_is_of(find_videos(source, name).parts, profile) for name in names)


def _is_rgb(source: Source, name: str) -> bool:
    feature = source.info.raw["features"][source.columns[name]]
    return channels(feature) == 3 and not is_depth(feature)


def _is_of(parts: Sequence[VideoPart], profile: VideoProfile) -> bool:
    return all(is_profile(path, profile) for path in dict.fromkeys(part.path for part in parts))


def _can_be_copied(parts: Sequence[VideoPart], fps: float, version: Version) -> bool:
    """Whether packets are enough: v2.1 wants a file for each episode, in v3.0 those of one file may stay together."""
    if all(part.apart for part in parts):
        return True
    return version == "v3.0" and all(
        find_packets(run.path, run.start, run.frames, fps, alone=run.alone).apart for run in runs(parts, fps)
    )


def find_videos(source: Source, name: str) -> ColumnVideos:
    """Find a column's pictures.

    Parameters
    ----------
    source
        The dataset.
    name
        The column's name in the result.

    Raises
    ------
    DataError
        A video is missing or damaged, or holds another number of frames than its episode.

    """
    old, fps = source.columns[name], float(source.info.fps)
    parts: list[VideoPart] = []
    off, longer = 0.0, 0
    for row in source.rows:
        path, start = _place(source, row, old)
        found = find_packets(path, start, row.length, fps, alone=source.info.is_v2)
        index = packet_index(path)
        alone = source.info.is_v2
        parts.append(VideoPart(path, start, row.length, found.size, index.encoding, alone, found.apart))
        off = max(off, found.off)
        longer += source.info.is_v2 and len(index.times) > row.length
    said = []
    if longer:
        said.append(
            f"{longer} videos of {old} are longer than their episodes: the frames after the last row are left out"
        )
    if off > EXACT_S:
        said.append(f"frames of {old} were shown up to {1000 * off:.1f} ms beside k / fps: now at k / fps")
    return ColumnVideos(parts, [f"{source.root.name}: {text}" for text in said])


def encode_again(source: Source, name: str, videos: ColumnVideos, work: Path, profile: VideoProfile) -> list[VideoPart]:
    """Decode a column's pictures and encode them as `VideoWriter` does, a file below `work` for each episode.

    Raises
    ------
    DataError
        They are depth, which a video of ours cannot hold, of a size that the profile cannot have, or damaged.

    """
    check_size(source, name, profile)
    if not _is_rgb(source, name):
        raise DataError(
            f"{source.root}: the packets of {source.columns[name]} cannot be cut where episodes begin, and to encode "
            "pictures that are not RGB again would change them",
            fix=without_columns(source.root, [source.columns[name]]),
        )
    work.mkdir(parents=True)
    new = []
    with Progress(f"encode {name} again", len(videos.parts), "episode") as progress:
        for number, part in enumerate(videos.parts):
            target = work / f"{number:06d}.mp4"
            writer = VideoWriter(target, source.info.fps, PROFILES[profile])
            for image in decode_part(part, float(source.info.fps)):
                writer.add(image)
            writer.close()
            encoding = packet_index(target).encoding
            new.append(VideoPart(target, 0.0, part.frames, target.stat().st_size, encoding, alone=True))
            progress.update()
    return new


def decode_part(part: VideoPart, fps: float) -> Iterator[Array]:
    """Yield the pictures of an episode in the order in which they are shown, uint8 (H, W, 3) RGB.

    Raises
    ------
    DataError
        The video is damaged, or ends before the episode does.

    """
    found = 0
    try:
        with open_video(part.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            tick = float(stream.time_base or 1)
            begin = part.start - 0.5 / fps
            if not part.alone and begin > 0:
                container.seek(int(begin / tick), stream=stream)
            for frame in container.decode(stream):
                if found == part.frames:
                    break
                if part.alone or float(frame.pts or 0) * tick >= begin:
                    yield frame.to_ndarray(format="rgb24")
                    found += 1
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise DataError(f"{part.path}: unreadable video ({error})", fix="download the dataset again") from error
    if found < part.frames:
        raise DataError(
            f"{part.path}: {found} of {part.frames} frames from {part.start:.3f} s on can be decoded",
            fix="download the dataset again",
        )


def _place(source: Source, row: EpisodeRow, column: str) -> tuple[Path, float]:
    if column not in row.videos:
        raise DataError(
            f"{source.root}: the episode table does not say where {column} of episode {row.index} is",
            fix=f"mstool validate {quoted(source.root)}",
        )
    span = row.videos[column]
    with needed(source.root):
        return video_file(source.root, source.info.raw, span.place, column), span.start
