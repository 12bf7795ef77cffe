"""Take a stored dataset apart into episode shards again: video packets and PNGs are copied.

Only videos that another tool encoded, in a way in which packets cannot be cut and joined, are encoded once more.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

from mstool.contract import Array, Storage
from mstool.dataset.media import open_image
from mstool.dataset.parquet_files import open_parquet
from mstool.errors import DataError
from mstool.maniskill2lerobot.episode.shard import EpisodeMark, shard_path
from mstool.maniskill2lerobot.episode.source import DISTURBED, KEPT_FAILURE
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.pngs import PngWriter, read_pngs, write_pngs
from mstool.maniskill2lerobot.pictures.video import VideoWriter, decode
from mstool.maniskill2lerobot.pictures.video_parts import split
from mstool.maniskill2lerobot.rewrite.stored import StoredDataset, data_path, video_path
from mstool.maniskill2lerobot.writers.episodes import Episode
from mstool.maniskill2lerobot.writers.features import camera_columns, vector_columns
from mstool.maniskill2lerobot.writers.histograms import read_histograms
from mstool.progress import Progress

ENCODED_AGAIN = "its videos were encoded by another tool in a way that cannot be cut and joined: encoded once more"


def extract(dataset: StoredDataset, work: Path, storages: Iterable[Storage]) -> list[Episode]:
    """Write one shard per episode below `work`, with pictures stored in every one of `storages`.

    Statistics of the pictures come from the histograms that the dataset keeps; one written without them gets those of
    its stored pictures, which for videos are the decoded ones.

    Raises
    ------
    DataError
        Rows or pictures are missing.

    """
    shards = [shard_path(work, index) for index in range(len(dataset.rows))]
    for shard in shards:
        shard.mkdir(parents=True)
    _extract_rows(dataset, shards)
    anew: set[int] = set()
    if dataset.storage == "video":
        for column, view in camera_columns(dataset.recipes[0], dataset.version).items():
            anew |= _extract_videos(dataset, shards, column, view)
    views = [camera.view for camera in dataset.recipes[0].cameras]
    kept = read_histograms(dataset.root, views, len(shards))
    episodes = []
    with Progress(f"read {dataset.root.name}", len(shards), "episode") as progress:
        for index, shard in enumerate(shards):
            psnr = {
                view: {"mean_psnr_db": value, "min_psnr_db": value}
                for view, value in dataset.record.psnr_db.items()
                if not anew
            }
            for view in views:
                for storage in storages:
                    if storage != dataset.storage:
                        psnr |= _encode_anew(shard, view, storage, dataset.fps)
            histograms = {
                view: (kept[view][index] if kept else _count(shard, view, dataset.storage)).tolist() for view in views
            }
            mark = _mark(dataset, index, histograms, psnr)
            mark = replace(mark, warnings=[*mark.warnings, *([ENCODED_AGAIN] if index in anew else [])])
            episodes.append(Episode(shard, mark, dataset.recipes[index]))
            progress.update()
    return episodes


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
                raise DataError(f"{path}: episode {index} has {len(at)} rows, its table says {length} in a row")
            own = table.slice(int(at[0]), length)
            np.savez(shards[index] / "rows.npz", **_arrays(own, vectors))  # type: ignore[arg-type]
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


def _extract_videos(dataset: StoredDataset, shards: Sequence[Path], column: str, view: str) -> set[int]:
    """Write one video per shard; return the episodes whose pictures had to be encoded once more."""
    anew: set[int] = set()
    for path, group in groupby(range(len(shards)), key=lambda index: video_path(dataset, index, column)):
        members = list(group)
        shown = 0
        for index in members:
            row = dataset.rows[index]
            begins = row.videos[column].start
            if round(begins * dataset.fps) != shown:
                raise DataError(f"{path}: episode {index} begins at {begins} s, expected {shown / dataset.fps} s")
            shown += row.length
        if split(path, [(shards[i] / f"{view}.mp4", dataset.rows[i].length) for i in members], dataset.fps):
            anew |= set(members)
    return anew


def _encode_anew(shard: Path, view: str, storage: Storage, fps: int) -> dict[str, dict[str, float]]:
    if storage == "video":
        video = VideoWriter(shard / f"{view}.mp4", fps)
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
