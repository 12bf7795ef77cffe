"""LeRobot v3.0: many episodes per file, rows and video packets one after the other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mstool.dataset.files import INFO_FILE, STATS_FILE, V3_DATA, V3_EPISODES, V3_EPISODES_FOLDER, V3_TASKS, V3_VIDEO
from mstool.dataset.formats.base import Content, Format, VideoPart
from mstool.dataset.formats.rows import arrow_schema, episode_table, numbers
from mstool.dataset.info import CHUNKS_SIZE
from mstool.progress import Progress

# LeRobot's own limits: megabytes after which a new file is begun.
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
_MB = 1024**2

type Row = dict[str, Any]


def write_v3(content: Content, root: Path) -> None:
    """Write the dataset into the empty folder `root`."""
    rows: list[Row] = [
        {**episode.more, "episode_index": i, "tasks": list(episode.tasks), "length": episode.frames}
        for i, episode in enumerate(content.episodes)
    ]
    with Progress("write rows", len(rows), "episode") as progress:
        _write_data(content, rows, root, progress)
    for column in content.videos:
        with Progress(f"write videos of {column}", len(rows), "episode") as progress:
            _write_videos(content, rows, root, column, progress)
    _write_meta(content, rows, root)
    # Exact statistics of the images; those of the numeric columns are `mstool.norm_stats`' to add.
    stats = {column: {name: v.tolist() for name, v in each.items()} for column, each in content.image_stats.items()}
    (root / STATS_FILE).write_text(json.dumps(stats, indent=2), encoding="utf-8")


def _write_data(content: Content, rows: list[Row], root: Path, progress: Progress) -> None:
    schema = arrow_schema(content.features, V3.list_type)
    writer, path, number, first = None, root, -1, 0
    for i, episode in enumerate(content.episodes):
        rows_of_episode = episode_table(episode, schema, index=i, first_row=first)
        if writer is None or path.stat().st_size + rows_of_episode.nbytes > DATA_FILE_MB * _MB:
            if writer is not None:
                writer.close()
            number += 1
            path = root / V3_DATA.format(**_place(number))
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(path, rows_of_episode.schema, compression="snappy")
        writer.write_table(rows_of_episode)  # one row group per episode, as LeRobot's own writer
        length = episode.frames
        rows[i] |= {f"data/{name}": value for name, value in _place(number).items()}
        rows[i] |= {"dataset_from_index": first, "dataset_to_index": first + length}
        columns = numbers(rows_of_episode, content.features)
        stats = {column: content.column_stats(values) for column, values in columns.items()}
        rows[i]["stats"] = stats | {column: episode.image_stats(column) for column in content.images}
        first += length
        progress.update()
    if writer is not None:
        writer.close()


def _write_videos(content: Content, rows: list[Row], root: Path, column: str, progress: Progress) -> None:
    parts, fps = [episode.video(column) for episode in content.episodes], content.fps
    for number, members in enumerate(_by_size(parts, VIDEO_FILE_MB * _MB)):
        target = root / V3_VIDEO.format(video_key=column, **_place(number))
        target.parent.mkdir(parents=True, exist_ok=True)
        content.join_videos([parts[i] for i in members], target, fps)
        shown = 0
        for i in members:
            end = shown + rows[i]["length"]
            rows[i] |= {f"videos/{column}/{name}": value for name, value in _place(number).items()}
            rows[i] |= {f"videos/{column}/from_timestamp": shown / fps, f"videos/{column}/to_timestamp": end / fps}
            shown = end
        progress.update(len(members))


def _write_meta(content: Content, rows: list[Row], root: Path) -> None:
    tasks = list(content.tasks)
    (root / V3_TASKS).parent.mkdir(exist_ok=True)
    pd.DataFrame({"task_index": range(len(tasks))}, index=pd.Index(tasks, name="task")).to_parquet(root / V3_TASKS)
    path = root / V3_EPISODES.format(**_place(0))
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([_flat(row) for row in rows]), path)
    info = {
        "codebase_version": V3.version,
        "robot_type": content.robot_type,
        "total_episodes": len(rows),
        "total_frames": sum(row["length"] for row in rows),
        "total_tasks": len(tasks),
        "chunks_size": CHUNKS_SIZE,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": content.fps,
        "splits": {"train": f"0:{len(rows)}"},
        "data_path": V3_DATA,
        "video_path": V3_VIDEO if content.videos else None,
        "features": content.features,
        **content.more,
    }
    (root / INFO_FILE).write_text(json.dumps(info, indent=2), encoding="utf-8")


def _flat(row: Row) -> Row:
    flat = {name: value for name, value in row.items() if name != "stats"}
    flat |= {f"{V3_EPISODES_FOLDER}/{name}": value for name, value in _place(0).items()}
    for column, stats in row["stats"].items():
        flat |= {f"stats/{column}/{name}": value.tolist() for name, value in stats.items()}
    return flat


def _place(number: int) -> dict[str, int]:
    return {"chunk_index": number // CHUNKS_SIZE, "file_index": number % CHUNKS_SIZE}


def _by_size(parts: list[VideoPart], limit: int) -> Iterator[list[int]]:
    """Group consecutive parts of one encoding whose sizes add up to at most `limit` bytes.

    One alone may exceed it, and so may parts that cannot be taken apart.
    """
    group: list[int] = []
    size = 0
    for i, part in enumerate(parts):
        full = size + part.size > limit and part.apart
        if group and (full or part.encoding != parts[group[-1]].encoding):
            yield group
            group, size = [], 0
        group.append(i)
        size += part.size
    if group:
        yield group


V3 = Format(
    version="v3.0",
    storage="video",  # as LeRobot records it
    names="lerobot",
    channels="channels",
    is_depth="is_depth_map",
    list_type="List",
    write=write_v3,
)
