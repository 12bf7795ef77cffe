"""Take a stored dataset apart into episode shards again: video packets and PNGs are copied.

Only videos that another tool encoded, in a way in which packets cannot be cut and joined, are encoded once more.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

from mstool.contract import Array, Storage, VideoProfile
from mstool.dataset.files import INFO_NAME
from mstool.dataset.histograms import read_histograms
from mstool.dataset.media import open_image
from mstool.dataset.parquet_files import open_parquet
from mstool.errors import DataError
from mstool.maniskill2lerobot.episode.shard import EpisodeMark, shard_path
from mstool.maniskill2lerobot.episode.source import DISTURBED, KEPT_FAILURE
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.packets import packet_index
from mstool.maniskill2lerobot.pictures.pngs import PngWriter, read_pngs, write_pngs
from mstool.maniskill2lerobot.pictures.profiles import PROFILES
from mstool.maniskill2lerobot.pictures.video import VideoWriter, decode
from mstool.maniskill2lerobot.pictures.video_parts import split
from mstool.maniskill2lerobot.rewrite.stored import StoredDataset, data_path, video_path
from mstool.maniskill2lerobot.writers.episodes import Episode
from mstool.maniskill2lerobot.writers.features import camera_columns, vector_columns
from mstool.paths import quoted
from mstool.progress import Progress

ENCODED_AGAIN = "its videos were encoded by another tool in a way that cannot be cut and joined: encoded once more"


def extract(
    dataset: StoredDataset, work: Path, storages: Collection[Storage], profile: VideoProfile | None = None
) -> list[Episode]:
    """Write one shard per episode below `work`, with pictures stored in every one of `storages`.

    Videos are encoded as `profile` says; None: as they are.

    Statistics of the pictures come from the histograms that the dataset keeps; one written without them gets those of
    its stored pictures, which for videos are the decoded ones. So they stay exact when videos are encoded anew.

    Raises
    ------
    DataError
        Rows or pictures are missing.

    """
    shards = [shard_path(work, index) for index in range(len(dataset.rows))]
    for shard in shards:
        shard.mkdir(parents=True)
    _extract_rows(dataset, shards)
    wanted = profile or dataset.video_profile
    foreign: set[int] = set()
    # {view: the worst PSNR of its pictures to those they were decoded from}.
    again: dict[str, float] = {}
    if dataset.storage == "video":
        for column, view in camera_columns(dataset.recipes[0], dataset.version).items():
            found = _extract_videos(dataset, shards, column, view, wanted)
            foreign |= found.foreign
            again |= {view: found.psnr_db} if found.psnr_db is not None else {}
    views = [camera.view for camera in dataset.recipes[0].cameras]
    kept = read_histograms(dataset.root, views, len(shards))
    stored = {} if foreign else _after(dataset.record.psnr_db, again)
    episodes = []
    with Progress(f"read {dataset.root.name}", len(shards), "episode") as progress:
        for index, shard in enumerate(shards):
            psnr = {view: {"mean_psnr_db": value, "min_psnr_db": value} for view, value in stored.items()}
            for view in views:
                for storage in storages:
                    if storage != dataset.storage:
                        psnr |= _encode_anew(shard, view, storage, dataset.fps, wanted)
            histograms = {
                view: (kept[view][index] if kept else _count(shard, view, dataset.storage)).tolist() for view in views
            }
            mark = _mark(dataset, index, histograms, psnr)
            mark = replace(mark, warnings=[*mark.warnings, *([ENCODED_AGAIN] if index in foreign else [])])
            # An older version's packets cannot be joined with this one's.
            videos = {view: shard / f"{view}.mp4" for view in views} if "video" in storages else {}
            encodings = {view: packet_index(path, probe=False).encoding for view, path in videos.items()}
            episodes.append(Episode(shard, mark, replace(dataset.recipes[index], video_profile=wanted), encodings))
            progress.update()
    return episodes


def _after(rendered: Mapping[str, float], again: Mapping[str, float]) -> dict[str, float]:
    """Return {view: a PSNR to the rendered pictures, dB, which none is below} after some were encoded once more.

    The root mean squared errors of both encodings add up at most: PSNR is 20 log10(255 / error).
    """
    return {
        view: round(-20 * math.log10(10 ** (-value / 20) + 10 ** (-again[view] / 20)), 2) if view in again else value
        for view, value in rendered.items()
    }


def _mark(
    dataset: StoredDataset, index: int, histograms: dict[str, list[list[int]]], psnr: dict[str, dict[str, float]]
) -> EpisodeMark:
    line, record = dataset.log[index], dataset.record
    names = dataset.recipes[index].names
    return EpisodeMark(
        fingerprint=str(line["fingerprint"]),
        source_episode=int(line["source_episode"]),
        seed=int(line["seed"]),
        source_steps=int(line["source_steps"]),
        frames=dataset.rows[index].length,
        robot=record.robots.get(str(line["env_id"]), record.robot),
        controller=record.controller_of(str(line["env_id"])),
        cameras=record.cameras.get(str(line["env_id"]), {}),
        histograms=histograms,
        psnr_db=psnr,
        names=names.as_dict() if names else {},
        first_state=line.get("first_state") or {},
        warnings=[
            *([DISTURBED] if line.get("disturbed") is True else []),
            *([KEPT_FAILURE] if line.get("solved") is False else []),
        ],
    )


def _extract_rows(dataset: StoredDataset, shards: Sequence[Path]) -> None:
    recipe = dataset.recipes[0]
    vectors = vector_columns(recipe, dataset.version)
    pictures = camera_columns(recipe, dataset.version) if dataset.storage == "image" else {}
    for path, members in groupby(range(len(shards)), key=lambda index: data_path(dataset, index)):
        try:
            with open_parquet(path) as file:
                table = file.read(columns=[*vectors, *pictures, "episode_index"])
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path}: unreadable ({error})", fix="convert or download the dataset again") from error
        of_episode = table.column("episode_index").to_numpy()
        for index in members:
            (at,) = np.nonzero(of_episode == index)
            length = dataset.rows[index].length
            if len(at) != length or at[-1] - at[0] != length - 1:
                raise DataError(
                    f"{path}: episode {index} has {len(at)} rows, its table says {length} in a row",
                    fix=f"mstool validate {quoted(dataset.root)}",
                )
            own = table.slice(int(at[0]), length)
            try:
                arrays = _arrays(own, vectors)
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"{path}: episode {index} has an empty cell, or rows of several lengths, in {', '.join(vectors)}",
                    fix=f"mstool validate {quoted(dataset.root)}",
                ) from error
            np.savez(shards[index] / "rows.npz", **arrays)  # type: ignore[arg-type]
            for column, view in pictures.items():
                pngs = [cell["bytes"] for cell in own.column(column).to_pylist()]
                if not all(isinstance(png, bytes) for png in pngs):
                    raise DataError(f"{path}: images of {column} are not in it", fix="convert the dataset again")
                write_pngs(shards[index] / f"{view}.parquet", pngs)


def _arrays(table: pa.Table, vectors: dict[str, tuple[str, slice]]) -> dict[str, Array]:
    """Put the columns of one array (DROID's joints and gripper) side by side again."""
    parts: dict[str, list[Array]] = {}
    for column, (array, _) in vectors.items():
        values = np.stack(table.column(column).to_numpy()).astype(np.float32).reshape(len(table), -1)
        parts.setdefault(array, []).append(values[0] if array == "goal" else values)
    return {array: np.concatenate(each, axis=-1) for array, each in parts.items()}


@dataclass(frozen=True)
class _Extracted:
    # Episodes whose pictures another tool had encoded, in a way in which packets cannot be cut and joined.
    foreign: set[int]
    # The worst of pictures that were encoded anew, to those they were decoded from, dB.
    psnr_db: float | None


def _extract_videos(
    dataset: StoredDataset, shards: Sequence[Path], column: str, view: str, wanted: VideoProfile
) -> _Extracted:
    """Write one video per shard."""
    foreign: set[int] = set()
    psnr: list[float] = []
    for path, group in groupby(range(len(shards)), key=lambda index: video_path(dataset, index, column)):
        members = list(group)
        shown = 0
        for index in members:
            row = dataset.rows[index]
            begins = row.videos[column].start
            if round(begins * dataset.fps) != shown:
                raise DataError(
                    f"{path}: episode {index} begins at {begins:g} s, expected {shown / dataset.fps:g} s by the "
                    f"lengths of those before and {dataset.fps} frames/s ({INFO_NAME})",
                    fix=f"mstool validate {quoted(dataset.root)}",
                )
            shown += row.length
        parts = [(shards[i] / f"{view}.mp4", dataset.rows[i].length) for i in members]
        done = split(path, parts, dataset.fps, dataset.video_profile, wanted)
        foreign |= set(members) if done.foreign else set()
        psnr += [each.min_psnr_db for each in done.quality]
    return _Extracted(foreign, min(psnr, default=None))


def _encode_anew(
    shard: Path, view: str, storage: Storage, fps: int, profile: VideoProfile
) -> dict[str, dict[str, float]]:
    if storage == "video":
        video = VideoWriter(shard / f"{view}.mp4", fps, PROFILES[profile])
        for image in _decoded_pngs(shard, view):
            video.add(image)
        return {view: asdict(video.close())}
    pngs = PngWriter(shard / f"{view}.parquet")
    for image in decode(shard / f"{view}.mp4"):
        pngs.add(image)
    pngs.close()
    return {}


def _count(shard: Path, view: str, storage: Storage) -> Array:
    histogram = ImageHistogram()
    for image in _decoded_pngs(shard, view) if storage == "image" else decode(shard / f"{view}.mp4"):
        histogram.add(image)
    return histogram.counts


def _decoded_pngs(shard: Path, view: str) -> Iterator[Array]:
    for number, png in enumerate(read_pngs(shard / f"{view}.parquet")):
        try:
            with open_image(png) as picture:
                image = np.asarray(picture.convert("RGB"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"image {number} of {view} in an episode cannot be read: {error}",
                fix="convert or download the dataset again",
            ) from error
        yield image
