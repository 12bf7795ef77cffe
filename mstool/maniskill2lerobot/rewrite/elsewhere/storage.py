"""Pictures stored in the other way: videos as PNGs, images as video, each picture counted as it passes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from mstool.contract import Array, Storage, Version, VideoProfile
from mstool.dataset.formats.base import Features, VideoPart
from mstool.dataset.formats.rows import png_column
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.packets import packet_index
from mstool.maniskill2lerobot.pictures.pngs import PngWriter, read_pngs
from mstool.maniskill2lerobot.pictures.profiles import PROFILES
from mstool.maniskill2lerobot.pictures.video import VideoWriter
from mstool.maniskill2lerobot.rewrite.elsewhere import image_stats
from mstool.maniskill2lerobot.rewrite.elsewhere.rows import RowReader
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source
from mstool.maniskill2lerobot.rewrite.elsewhere.videos import check_size, decode_part, find_videos
from mstool.maniskill2lerobot.writers.features import video_info
from mstool.progress import Progress


@dataclass(frozen=True)
class Changed:
    """The columns of a dataset whose pictures are stored in another way than they were; none by default."""

    storage: Storage | None = None
    # How their videos are encoded.
    profile: VideoProfile = "exact"
    # {column: one per episode} of what are videos now, and of what are PNGs now: parquet files of them.
    videos: Mapping[str, Sequence[VideoPart]] = field(default_factory=dict)
    pngs: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    # {column: LeRobot's statistics} of each episode's pictures, and of all.
    episodes: Mapping[str, Sequence[Mapping[str, Array]]] = field(default_factory=dict)
    whole: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def describe(self, features: Features, version: Version, fps: float) -> None:
        """Have a feature table say how they are stored."""
        for name in self.episodes:
            spec = features[name]
            spec["dtype"] = self.storage
            for key in ("info", "video_info"):
                spec.pop(key, None)
            if name in self.videos:
                height, width = spec["shape"][:2]
                spec["info"] = video_info(height, width, version, fps, PROFILES[self.profile])

    def rows(self, episode: int) -> dict[str, pa.Array]:
        """Return the columns of an episode's pictures that are PNGs now."""
        return {name: png_column(list(read_pngs(paths[episode]))) for name, paths in self.pngs.items()}


def other_pictures(source: Source, storage: Storage) -> list[str]:
    """Return the columns of RGB pictures that are not stored as `storage`, but can be."""
    kinds = {"image", "video"} - {storage}
    return [n for n, spec in source.features.items() if spec["dtype"] in kinds and image_stats.is_rgb(spec)]


def change_storage(source: Source, storage: Storage, work: Path, profile: VideoProfile = "exact") -> Changed:
    """Decode the RGB pictures that are stored in another way and store them as `storage`, below `work`.

    Videos are encoded as `profile` says.

    Their statistics are exact: of what the PNGs hold, or of the images that went into the videos.

    Raises
    ------
    DataError
        A picture cannot be read.

    """
    names = other_pictures(source, storage)
    left = [n for n, s in source.features.items() if s["dtype"] in {"image", "video"} - {storage} and n not in names]
    notes = [f"{', '.join(left)} stay as they are: pictures that are not RGB"] if left else []
    if not names:
        return Changed(notes=notes)
    if storage == "video":
        for name in names:
            check_size(source, name, profile)
    shown = {name: find_videos(source, name).parts for name in names if source.features[name]["dtype"] == "video"}
    reader = RowReader(source)
    videos: dict[str, list[VideoPart]] = {}
    pngs: dict[str, list[Path]] = {}
    counted: dict[str, list[ImageHistogram]] = {name: [] for name in names}
    worst: list[float] = []
    fps = float(source.info.fps)
    for name in names:
        (work / name).mkdir(parents=True)
    with Progress(f"pictures of {source.root.name} to {storage}", len(source.rows), "episode") as progress:
        for index, row in enumerate(source.rows):
            stored = {} if storage == "image" else reader.read(row)
            for name in names:
                histogram = ImageHistogram()
                counted[name].append(histogram)
                if name in shown:
                    path = work / name / f"{index:06d}.parquet"
                    _write_pngs(path, _counted(decode_part(shown[name][index], fps), histogram))
                    pngs.setdefault(name, []).append(path)
                else:
                    what = f"{source.columns[name]} of episode {row.index}"
                    images = image_stats.decoded(stored[name].field("bytes").to_pylist(), what)
                    path = work / name / f"{index:06d}.mp4"
                    worst.append(_write_video(path, _counted(images, histogram), fps, profile))
                    part = VideoPart(
                        path, 0.0, row.length, path.stat().st_size, packet_index(path).encoding, alone=True
                    )
                    videos.setdefault(name, []).append(part)
            progress.update()
    if pngs:
        notes.append(f"{', '.join(pngs)}: PNGs of what their videos show, statistics of every image")
    if videos:
        notes.append(
            f"{', '.join(videos)}: encoded as H.264, at worst {min(worst):.1f} dB from the images (of those that were "
            "compared); statistics of every image before it was encoded"
        )
    return Changed(
        storage=storage,
        profile=profile,
        videos=videos,
        pngs=pngs,
        episodes={name: [histogram.stats() for histogram in each] for name, each in counted.items()},
        whole={name: sum(each, ImageHistogram()).stats() for name, each in counted.items()},
        notes=notes,
    )


def _counted(images: Iterable[Array], histogram: ImageHistogram) -> Iterator[Array]:
    for image in images:
        histogram.add(image)
        yield image


def _write_pngs(path: Path, images: Iterable[Array]) -> None:
    writer = PngWriter(path)
    for image in images:
        writer.add(image)
    writer.close()


def _write_video(path: Path, images: Iterable[Array], fps: float, profile: VideoProfile) -> float:
    writer = VideoWriter(path, fps, PROFILES[profile])
    for image in images:
        writer.add(image)
    return writer.close().min_psnr_db
