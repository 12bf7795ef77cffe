"""Assemble shards into a LeRobot v2.1 dataset, the version that openpi reads: one parquet and one video per episode."""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mstool.contract import Array, Storage, Version
from mstool.dataset.files import INFO_FILE, V2_DATA, V2_EPISODES, V2_EPISODES_STATS, V2_TASKS, V2_VIDEO, v2_place
from mstool.dataset.info import CHUNKS_SIZE
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.writers.episodes import Episode, episode_arrays, episode_table, instructions, vector_stats
from mstool.maniskill2lerobot.writers.features import camera_columns, features
from mstool.progress import Progress

VERSION: Version = "v2.1"
# What lerobot's v2.1 aggregation knows; it refuses shapes other than (3, 1, 1) for images and (1,) for counts.
STATS = ("min", "max", "mean", "std", "count")


def write_v21(episodes: Sequence[Episode], root: Path, *, storage: Storage, fps: int) -> None:
    """Write the dataset into the empty folder `root`; parameters as `mstool.maniskill2lerobot.writers.v3.write_v3`."""
    recipe = episodes[0].recipe
    table = features(recipe, VERSION, storage, fps)
    views = camera_columns(recipe, VERSION)
    tasks = instructions(episodes)
    (root / INFO_FILE).parent.mkdir(parents=True)
    log: list[dict[str, Any]] = []
    stats: list[dict[str, Any]] = []
    first = 0
    with Progress("write episodes", len(episodes), "episode") as progress:
        for i, episode in enumerate(episodes):
            place = v2_place(i, CHUNKS_SIZE)
            task_index = tasks.index(episode.recipe.instruction)
            columns = episode_arrays(episode, VERSION, index=i, first_row=first, task_index=task_index, fps=fps)
            path = root / V2_DATA.format(**place)
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(episode_table(episode, columns, table, VERSION, views), path, compression="snappy")
            if storage == "video":
                for column, view in views.items():
                    video = root / V2_VIDEO.format(video_key=column, **place)
                    video.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(episode.shard / f"{view}.mp4", video)
            log.append({"episode_index": i, "tasks": [episode.recipe.instruction], "length": episode.mark.frames})
            stats.append({"episode_index": i, "stats": _episode_stats(episode, columns, views)})
            first += episode.mark.frames
            progress.update()
    _write_jsonl(root / V2_EPISODES, log)
    _write_jsonl(root / V2_EPISODES_STATS, stats)
    _write_jsonl(root / V2_TASKS, [{"task_index": i, "task": task} for i, task in enumerate(tasks)])
    info = {
        "codebase_version": VERSION,
        "robot_type": episodes[0].mark.robot,
        "total_episodes": len(episodes),
        "total_frames": first,
        "total_tasks": len(tasks),
        "total_videos": len(episodes) * len(views) if storage == "video" else 0,
        "total_chunks": (len(episodes) - 1) // CHUNKS_SIZE + 1,
        "chunks_size": CHUNKS_SIZE,
        "fps": fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": V2_DATA,
        "video_path": V2_VIDEO if storage == "video" else None,
        "features": table,
    }
    (root / INFO_FILE).write_text(json.dumps(info, indent=2), encoding="utf-8")


def _episode_stats(episode: Episode, columns: dict[str, Array], views: dict[str, str]) -> dict[str, Any]:
    stats = {column: vector_stats(values) for column, values in columns.items()}
    for column, view in views.items():
        stats[column] = ImageHistogram(episode.mark.histograms[view], episode.mark.frames).stats()
    return {column: {name: each[name].tolist() for name in STATS} for column, each in stats.items()}


def _write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
