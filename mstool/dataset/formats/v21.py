"""LeRobot v2.1, the version that openpi reads: one parquet and one video per episode."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mstool.dataset.files import INFO_FILE, V2_DATA, V2_EPISODES, V2_EPISODES_STATS, V2_TASKS, V2_VIDEO, v2_place
from mstool.dataset.formats.base import Content, EpisodeContent, Format
from mstool.dataset.formats.rows import arrow_schema, episode_table, numbers
from mstool.dataset.info import CHUNKS_SIZE
from mstool.progress import Progress

# What lerobot's v2.1 aggregation knows; it refuses shapes other than (3, 1, 1) for images and (1,) for counts.
STATS = ("min", "max", "mean", "std", "count")


def write_v21(content: Content, root: Path) -> None:
    """Write the dataset into the empty folder `root`."""
    schema = arrow_schema(content.features, V21.list_type)
    (root / INFO_FILE).parent.mkdir(parents=True)
    log: list[dict[str, Any]] = []
    stats: list[dict[str, Any]] = []
    first = 0
    with Progress("write episodes", len(content.episodes), "episode") as progress:
        for i, episode in enumerate(content.episodes):
            place = v2_place(i, CHUNKS_SIZE)
            rows = episode_table(episode, schema, index=i, first_row=first)
            path = root / V2_DATA.format(**place)
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(rows, path, compression="snappy")
            for column in content.videos:
                video = root / V2_VIDEO.format(video_key=column, **place)
                video.parent.mkdir(parents=True, exist_ok=True)
                content.join_videos([episode.video(column)], video, content.fps)
            log.append({**episode.more, "episode_index": i, "tasks": list(episode.tasks), "length": episode.frames})
            stats.append({"episode_index": i, "stats": _episode_stats(content, episode, rows)})
            first += episode.frames
            progress.update()
    _write_jsonl(root / V2_EPISODES, log)
    _write_jsonl(root / V2_EPISODES_STATS, stats)
    _write_jsonl(root / V2_TASKS, [{"task_index": i, "task": task} for i, task in enumerate(content.tasks)])
    info = {
        "codebase_version": V21.version,
        "robot_type": content.robot_type,
        "total_episodes": len(content.episodes),
        "total_frames": first,
        "total_tasks": len(content.tasks),
        "total_videos": len(content.episodes) * len(content.videos),
        "total_chunks": (len(content.episodes) - 1) // CHUNKS_SIZE + 1,
        "chunks_size": CHUNKS_SIZE,
        "fps": content.fps,
        "splits": {"train": f"0:{len(content.episodes)}"},
        "data_path": V2_DATA,
        "video_path": V2_VIDEO if content.videos else None,
        "features": content.features,
        **content.more,
    }
    (root / INFO_FILE).write_text(json.dumps(info, indent=2), encoding="utf-8")


def _episode_stats(content: Content, episode: EpisodeContent, rows: pa.Table) -> dict[str, Any]:
    stats: dict[str, Any] = {
        name: content.column_stats(values) for name, values in numbers(rows, content.features).items()
    }
    stats |= {column: found for column in content.images if (found := episode.image_stats(column))}
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
