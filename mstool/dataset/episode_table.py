"""The episode and task tables of both versions, read into one shape."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mstool.dataset.files import (
    V2_EPISODES,
    V2_EPISODES_STATS,
    V2_TASKS,
    V3_EPISODES_FOLDER,
    V3_TASKS,
    Unavailable,
    read_jsonl,
    v2_place,
)
from mstool.dataset.info import CHUNKS_SIZE
from mstool.dataset.unreadable import FINALIZE, unreadable_parquet


@dataclass(frozen=True)
class Span:
    """Where an episode's pictures are within a video file, s."""

    place: dict[str, int]
    start: float
    end: float


@dataclass(frozen=True)
class EpisodeRow:
    """One line of the episode table."""

    index: int
    length: int
    tasks: tuple[str, ...]
    # Fields of the description's `data_path`.
    data: dict[str, int]
    # Global rows [first, last), None in v2.1, which does not store them.
    rows: tuple[int, int] | None
    # {camera: span}; in v2.1 an episode fills its file.
    videos: dict[str, Span] = field(default_factory=dict)
    # Statistics that the row carries: {column: {name: value}}.
    stats: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Rows of its data file before its own.
    first: int = 0
    # What a version of LeRobot's format does not know.
    more: dict[str, Any] = field(default_factory=dict)


def read_tasks(root: Path, version: str) -> list[tuple[int, str]]:
    """Read the task table in file order."""
    if version.startswith("v2"):
        lines = read_jsonl(root / V2_TASKS)
        try:
            return [(int(line["task_index"]), str(line["task"])) for line in lines]
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"{V2_TASKS}: {error!r}") from error
    path = root / V3_TASKS
    # Without pandas: its own metadata may be damaged, and says nothing that is needed.
    table = _parquet(path)
    names = next((name for name in ("task", "__index_level_0__") if name in table.column_names), None)
    if "task_index" not in table.column_names or names is None:
        raise Unavailable(f"{V3_TASKS} has columns {', '.join(table.column_names)}, not task and task_index")
    try:
        pairs = zip(table["task_index"].to_pylist(), table[names].to_pylist(), strict=True)
        return [(int(index), str(task)) for index, task in pairs]
    except (TypeError, ValueError) as error:
        raise Unavailable(f"{V3_TASKS}: {error}") from error


def read_task_names(root: Path) -> list[str]:
    """Read what LeRobot takes for the sentences of v3.0's task table: the index of pandas, in file order.

    lerobot 0.6.1, datasets/io_utils.py, load_tasks. Without an index of its own the table gets numbers.
    """
    table = _parquet(root / V3_TASKS)
    try:
        return [str(name) for name in table.to_pandas().index]
    except Exception as error:  # pandas raises many kinds where its own metadata is damaged
        raise Unavailable(f"{V3_TASKS}: pandas cannot read it ({str(error).splitlines()[0]})") from error


def read_episodes(
    root: Path, info: Mapping[str, Any], cameras: Sequence[str], *, stats: bool = True
) -> list[EpisodeRow]:
    """Read the episode table in file order.

    Parameters
    ----------
    root
        The dataset's folder.
    info
        Its description, which may be damaged.
    cameras
        The columns whose pictures are videos.
    stats
        Whether the statistics of every episode are wanted: they are most of the table.

    Raises
    ------
    Unavailable
        The table is missing or damaged.

    """
    try:
        if str(info.get("codebase_version")).startswith("v2"):
            rows = _read_v2(root, info, cameras, stats=stats)
        else:
            rows = _read_v3(root, cameras, stats=stats)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"the episode table is malformed: {error!r}") from error
    before: dict[tuple[int, ...], int] = {}
    placed = []
    for row in rows:
        file = tuple(row.data.values())
        placed.append(replace(row, first=before.get(file, 0)))
        before[file] = before.get(file, 0) + row.length
    return placed


def _read_v2(root: Path, info: Mapping[str, Any], cameras: Sequence[str], *, stats: bool) -> list[EpisodeRow]:
    fps, size = float(info.get("fps") or 1), int(info.get("chunks_size") or CHUNKS_SIZE)
    of_episodes = {}
    if stats:
        with contextlib.suppress(Unavailable):
            of_episodes = {int(line["episode_index"]): line["stats"] for line in read_jsonl(root / V2_EPISODES_STATS)}
    rows = []
    for line in read_jsonl(root / V2_EPISODES):
        index, length = int(line["episode_index"]), int(line["length"])
        place = v2_place(index, size)
        videos = {camera: Span(place, 0.0, length / fps) for camera in cameras}
        more = {name: value for name, value in line.items() if name not in {"episode_index", "tasks", "length"}}
        own = of_episodes.get(index, {})
        rows.append(EpisodeRow(index, length, tuple(line["tasks"]), place, None, videos, own, more=more))
    return rows


def _read_v3(root: Path, cameras: Sequence[str], *, stats: bool) -> list[EpisodeRow]:
    files = sorted((root / V3_EPISODES_FOLDER).glob("chunk-*/file-*.parquet"))
    if not files:
        raise Unavailable(f"{V3_EPISODES_FOLDER} holds no parquet file", FINALIZE)
    tables = (_parquet(path) for path in files)
    if not stats:
        tables = (table.select([n for n in table.column_names if not n.startswith("stats/")]) for table in tables)
    return [_row_v3(line, cameras) for table in tables for line in table.to_pylist()]


_V3_NAMES = {"episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index"}


def _row_v3(line: dict[str, Any], cameras: Sequence[str]) -> EpisodeRow:
    stats: dict[str, dict[str, Any]] = {}
    for key, value in line.items():
        if key.startswith("stats/"):
            column, name = key.removeprefix("stats/").rsplit("/", 1)
            stats.setdefault(column, {})[name] = value
    videos = {}
    for camera in cameras:
        part: dict[str, Any] = {
            name: line.get(f"videos/{camera}/{name}")
            for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
        }
        if None in part.values():
            continue
        place = {"chunk_index": int(part["chunk_index"]), "file_index": int(part["file_index"])}
        videos[camera] = Span(place, float(part["from_timestamp"]), float(part["to_timestamp"]))
    return EpisodeRow(
        index=int(line["episode_index"]),
        length=int(line["length"]),
        tasks=tuple(line["tasks"]),
        data={"chunk_index": int(line["data/chunk_index"]), "file_index": int(line["data/file_index"])},
        rows=(int(line["dataset_from_index"]), int(line["dataset_to_index"])),
        videos=videos,
        stats=stats,
        more={name: value for name, value in line.items() if "/" not in name and name not in _V3_NAMES},
    )


# A table's rows become Python's objects, of many times the size.
_SPARE_BYTES = 16 * 1024**2


def _parquet(path: Path) -> Any:
    from mstool.dataset.parquet_files import open_parquet  # late: what only names datasets starts fast

    name = "/".join(path.parts[path.parts.index("meta") :])
    if not path.is_file():
        raise Unavailable(f"{name}: no such file")
    try:
        with open_parquet(path, spare=_SPARE_BYTES) as file:
            table = file.read()
        table.validate(full=True)
    except Exception as error:  # arrow raises many kinds for a damaged file
        reason = unreadable_parquet(path, error)
        raise Unavailable(f"{name}: {reason.what}", reason.fix) from error
    return table
