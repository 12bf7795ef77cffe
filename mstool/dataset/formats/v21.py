"""LeRobot v2.1, the version that openpi reads: one parquet and one video per episode."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mstool.contract import Array
from mstool.dataset.files import INFO_FILE, V2_DATA, V2_EPISODES, V2_EPISODES_STATS, V2_TASKS, V2_VIDEO, v2_place
from mstool.dataset.formats.base import Content, EpisodeContent, Format
from mstool.dataset.formats.rows import arrow_schema, episode_arrays, episode_table
from mstool.dataset.info import CHUNKS_SIZE
from mstool.progress import Progress

# What lerobot's v2.1 aggregation knows; it refuses shapes other than (3, 1, 1) for images and (1,) for counts.
STATS = ("min", "max", "mean", "std", "count")


def write_v21(content: Content, root: Path) -> None:
    """Write the dataset into the empty folder `root`."""
    schema = arrow_schema(content.features, V21.list_type)
    tasks = content.tasks
    (root / INFO_FILE).parent.mkdir(parents=True)
    log: list[dict[str, Any]] = []
    stats: list[dict[str, Any]] = []
    first = 0
    with Progress("write episodes", len(content.episodes), "episode") as progress:
        for i, episode in enumerate(content.episodes):
            place = v2_place(i, CHUNKS_SIZE)
            task_index = tasks.index(episode.instruction)
            columns = episode_arrays(episode, index=i, first_row=first, task_index=task_index, fps=content.fps)
            path = root / V2_DATA.format(**place)
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(episode_table(episode, columns, schema), path, compression="snappy")
            if content.storage == "video":
                for column in content.images:
                    video = root / V2_VIDEO.format(video_key=column, **place)
                    video.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(episode.video(column), video)
            log.append({"episode_index": i, "tasks": [episode.instruction], "length": episode.frames})
            stats.append({"episode_index": i, "stats": _episode_stats(content, episode, columns)})
            first += episode.frames
            progress.update()
    _write_jsonl(root / V2_EPISODES, log)
    _write_jsonl(root / V2_EPISODES_STATS, stats)
    _write_jsonl(root / V2_TASKS, [{"task_index": i, "task": task} for i, task in enumerate(tasks)])
    videos = len(content.images) if content.storage == "video" else 0
    info = {
        "codebase_version": V21.version,
        "robot_type": content.robot_type,
        "total_episodes": len(content.episodes),
        "total_frames": first,
        "total_tasks": len(tasks),
        "total_videos": len(content.episodes) * videos,
        "total_chunks": (len(content.episodes) - 1) // CHUNKS_SIZE + 1,
        "chunks_size": CHUNKS_SIZE,
        "fps": content.fps,
        "splits": {"train": f"0:{len(content.episodes)}"},
        "data_path": V2_DATA,
        "video_path": V2_VIDEO if content.storage == "video" else None,
        "features": content.features,
    }
    (root / INFO_FILE).write_text(json.dumps(info, indent=2), encoding="utf-8")


def _episode_stats(content: Content, episode: EpisodeContent, columns: dict[str, Array]) -> dict[str, Any]:
    stats = {column: content.column_stats(values) for column, values in columns.items()}
    stats |= {column: episode.image_stats(column) for column in content.images}
    return {column: {name: each[name].tolist() for name in STATS} for column, each in stats.items()}


def _write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


V21 = Format(
    version="v2.1",
    storage="image",  # as openpi's examples do
    names="openpi",
    channels="channel",
    is_depth="video.is_depth_map",
    list_type="Sequence",
    write=write_v21,
)
