"""Assemble shards into a LeRobot v3.0 dataset: many episodes per file, packets and rows concatenated in demo order."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mstool.contract import Storage, Version
from mstool.dataset.files import INFO_FILE, STATS_FILE, V3_DATA, V3_EPISODES, V3_EPISODES_FOLDER, V3_TASKS, V3_VIDEO
from mstool.dataset.info import CHUNKS_SIZE
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.video_parts import concatenate
from mstool.maniskill2lerobot.writers.episodes import Episode, episode_arrays, episode_table, instructions, vector_stats
from mstool.maniskill2lerobot.writers.features import Features, camera_columns, features
from mstool.progress import Progress

VERSION: Version = "v3.0"
# LeRobot's own limits: megabytes after which a new file is begun.
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
_MB = 1024**2

type Row = dict[str, Any]


def write_v3(episodes: Sequence[Episode], root: Path, *, storage: Storage, fps: int) -> None:
    """Write the dataset into the empty folder `root`.

    Parameters
    ----------
    episodes
        Kept episodes in demo order; all of one layout, control mode, set of cameras and image size.
    root
        Where to write; the caller renames it into place.
    storage
        `video` or `image`, which the shards must hold.
    fps
        Control frequency, Hz.

    """
    recipe = episodes[0].recipe
    table = features(recipe, VERSION, storage, fps)
    tasks = instructions(episodes)
    rows = [_index_row(episode, i, tasks) for i, episode in enumerate(episodes)]
    with Progress("write rows", len(rows), "episode") as progress:
        _write_data(episodes, rows, root, table, tasks, fps, progress)
    if storage == "video":
        for column, view in camera_columns(recipe, VERSION).items():
            with Progress(f"write {view} videos", len(rows), "episode") as progress:
                _write_videos(episodes, rows, root, column, view, fps, progress)
    _write_meta(rows, root, table, tasks, fps, episodes[0].mark.robot, has_video=storage == "video")
    _write_image_stats(episodes, root)


def _index_row(episode: Episode, index: int, tasks: list[str]) -> Row:
    assert episode.recipe.instruction in tasks
    return {"episode_index": index, "tasks": [episode.recipe.instruction], "length": episode.mark.frames}


def _write_data(
    episodes: Sequence[Episode],
    rows: list[Row],
    root: Path,
    table: Features,
    tasks: list[str],
    fps: int,
    progress: Progress,
) -> None:
    views = camera_columns(episodes[0].recipe, VERSION)
    writer, path, number, first = None, root, -1, 0
    for i, episode in enumerate(episodes):
        task_index = tasks.index(episode.recipe.instruction)
        columns = episode_arrays(episode, VERSION, index=i, first_row=first, task_index=task_index, fps=fps)
        rows_of_episode = episode_table(episode, columns, table, VERSION, views)
        if writer is None or path.stat().st_size + rows_of_episode.nbytes > DATA_FILE_MB * _MB:
            if writer is not None:
                writer.close()
            number += 1
            path = root / V3_DATA.format(**_place(number))
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(path, rows_of_episode.schema, compression="snappy")
        writer.write_table(rows_of_episode)  # one row group per episode, as LeRobot's own writer
        length = episode.mark.frames
        rows[i] |= {f"data/{name}": value for name, value in _place(number).items()}
        rows[i] |= {"dataset_from_index": first, "dataset_to_index": first + length}
        stats = {column: vector_stats(values) for column, values in columns.items()}
        for column, view in views.items():
            stats[column] = ImageHistogram(episode.mark.histograms[view], length).stats()
        rows[i]["stats"] = stats
        first += length
        progress.update()
    if writer is not None:
        writer.close()


def _write_videos(
    episodes: Sequence[Episode], rows: list[Row], root: Path, column: str, view: str, fps: int, progress: Progress
) -> None:
    paths = [episode.shard / f"{view}.mp4" for episode in episodes]
    for number, members in enumerate(_by_size(paths, VIDEO_FILE_MB * _MB)):
        target = root / V3_VIDEO.format(video_key=column, **_place(number))
        target.parent.mkdir(parents=True, exist_ok=True)
        concatenate(((paths[i], rows[i]["length"]) for i in members), target, fps)
        shown = 0
        for i in members:
            end = shown + rows[i]["length"]
            rows[i] |= {f"videos/{column}/{name}": value for name, value in _place(number).items()}
            rows[i] |= {f"videos/{column}/from_timestamp": shown / fps, f"videos/{column}/to_timestamp": end / fps}
            shown = end
        progress.update(len(members))


def _write_meta(
    rows: list[Row],
    root: Path,
    table: Features,
    tasks: list[str],
    fps: int,
    robot: str,
    *,
    has_video: bool,
) -> None:
    (root / V3_TASKS).parent.mkdir(exist_ok=True)
    pd.DataFrame({"task_index": range(len(tasks))}, index=pd.Index(tasks, name="task")).to_parquet(root / V3_TASKS)
    path = root / V3_EPISODES.format(**_place(0))
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([_flat(row) for row in rows]), path)
    info = {
        "codebase_version": VERSION,
        "robot_type": robot,
        "total_episodes": len(rows),
        "total_frames": sum(row["length"] for row in rows),
        "total_tasks": len(tasks),
        "chunks_size": CHUNKS_SIZE,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": fps,
        "splits": {"train": f"0:{len(rows)}"},
        "data_path": V3_DATA,
        "video_path": V3_VIDEO if has_video else None,
        "features": table,
    }
    (root / INFO_FILE).write_text(json.dumps(info, indent=2), encoding="utf-8")


def _write_image_stats(episodes: Sequence[Episode], root: Path) -> None:
    """Write exact statistics of the pictures; those of the numeric columns are `mstool.norm_stats`' to add."""
    stats = {}
    for column, view in camera_columns(episodes[0].recipe, VERSION).items():
        total = ImageHistogram()
        for episode in episodes:
            total += ImageHistogram(episode.mark.histograms[view], episode.mark.frames)
        stats[column] = {name: value.tolist() for name, value in total.stats().items()}
    (root / STATS_FILE).write_text(json.dumps(stats, indent=2), encoding="utf-8")


def _flat(row: Row) -> Row:
    flat = {name: value for name, value in row.items() if name != "stats"}
    flat |= {f"{V3_EPISODES_FOLDER}/{name}": value for name, value in _place(0).items()}
    for column, stats in row["stats"].items():
        flat |= {f"stats/{column}/{name}": value.tolist() for name, value in stats.items()}
    return flat


def _place(number: int) -> dict[str, int]:
    return {"chunk_index": number // CHUNKS_SIZE, "file_index": number % CHUNKS_SIZE}


def _by_size(paths: list[Path], limit: int) -> Iterator[list[int]]:
    """Group consecutive files whose sizes add up to at most `limit` bytes; one file alone may exceed it."""
    group: list[int] = []
    size = 0
    for i, path in enumerate(paths):
        own = path.stat().st_size
        if group and size + own > limit:
            yield group
            group, size = [], 0
        group.append(i)
        size += own
    if group:
        yield group
