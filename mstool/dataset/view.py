"""A dataset as checks see it: every part is read once, when first asked for, and may be missing or damaged."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mstool.contract import EPISODES_FILE, INDEX_COLUMNS, Array
from mstool.dataset.columns import ColumnReader
from mstool.dataset.description import Dataset, open_dataset
from mstool.dataset.episode_table import EpisodeRow, read_episodes, read_tasks
from mstool.dataset.files import Unavailable, data_file, read_json, read_jsonl
from mstool.dataset.record import Record, read_record
from mstool.errors import DataError

# Above this many frames only some of the data files are read, unless everything is asked for.
MANY_FRAMES = 2_000_000
# Episodes that checks of meaning look at.
SAMPLED_EPISODES = 64
# Episodes of a task whose pictures are decoded, the most of all tasks together, pictures of each, and files that are
# opened.
PICTURED_EPISODES = 6
MOST_PICTURED = 24
PICTURES = 8
OPENED_FILES = 100


@dataclass(frozen=True)
class Rows:
    """The rows of one episode."""

    episode: int
    # {column: (T, D)} in the column's own dtype.
    columns: dict[str, Array]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(next(iter(self.columns.values())))


class _Reader(ColumnReader):
    """Reads what is there: another check compares the totals with info.json."""

    def _check_totals(self, frames: int, episodes: int) -> None:
        pass


class DatasetView:
    """A dataset on disk. Every property raises `Unavailable` with the reason where its part cannot be read."""

    def __init__(self, root: Path, *, full: bool = False) -> None:
        self.root = root
        self.full = full

    @cached_property
    def info(self) -> dict[str, Any]:
        """`meta/info.json`."""
        info = read_json(self.root / "meta" / "info.json")
        if not isinstance(info, dict):
            raise Unavailable("meta/info.json holds no JSON object")
        return info

    @property
    def version(self) -> str:
        """`v2.1`, `v3.0`, or what else the dataset says."""
        return str(self.info.get("codebase_version", ""))

    @property
    def fps(self) -> float:
        """Frames per second."""
        fps = self.info.get("fps")
        if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < 1e6:
            raise Unavailable(f"info.json's fps is {fps!r}")
        return float(fps)

    @cached_property
    def features(self) -> dict[str, dict[str, Any]]:
        """The well-formed part of info.json's feature table."""
        table = self.info.get("features")
        if not isinstance(table, dict):
            raise Unavailable("info.json has no feature table")
        return {str(name): _tidy(feature) for name, feature in table.items() if _well_formed(feature)}

    @cached_property
    def record(self) -> Record:
        """What `mstool convert` wrote of the dataset; false for one made elsewhere, and where it cannot be read."""
        try:
            return self.readable_record
        except Unavailable:
            return Record()

    @cached_property
    def readable_record(self) -> Record:
        """The same, where a record that cannot be read is a fault of the dataset."""
        try:
            return read_record(self.root)
        except DataError as error:
            raise Unavailable(error.message) from error

    @property
    def cameras(self) -> dict[str, dict[str, Any]]:
        """The camera columns' features; depth maps are measurements and not pictures."""
        return {name: f for name, f in self.features.items() if f["dtype"] in {"image", "video"} and not is_depth(f)}

    @cached_property
    def episodes(self) -> list[EpisodeRow]:
        """The episode table, in file order."""
        videos = [name for name, feature in self.features.items() if feature["dtype"] == "video"]
        return read_episodes(self.root, self.info, videos)

    @cached_property
    def tasks(self) -> list[tuple[int, str]]:
        """The task table in file order: (task_index, instruction)."""
        return read_tasks(self.root, self.version)

    @cached_property
    def episode_log(self) -> list[dict[str, Any]]:
        """`meta/mstool/episodes.jsonl`: where every episode comes from."""
        return read_jsonl(self.root / EPISODES_FILE)

    @cached_property
    def data_files(self) -> list[Path]:
        """Every parquet file that the episode table names, whether it is there or not, in order of first use."""
        return list(dict.fromkeys(data_file(self.root, self.info, row.data) for row in self.episodes))

    @cached_property
    def _dataset(self) -> Dataset:
        try:
            dataset = open_dataset(self.root)
        except DataError as error:
            raise Unavailable(error.message) from error
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise Unavailable(f"meta/info.json is malformed: {error!r}") from error
        if self.full or dataset.frames <= MANY_FRAMES:
            return dataset
        step = int(np.ceil(dataset.frames / MANY_FRAMES))
        return replace(dataset, files=dataset.files[::step])

    @cached_property
    def _readable(self) -> tuple[_Reader, dict[str, str]]:
        """Return a reader of every numeric column that has its declared shape, and why the others have not."""
        dataset = self._dataset
        reader = _Reader(dataset, dataset.features)
        try:
            for _ in reader.blocks():
                pass
        except DataError:
            return self._readable_one_by_one(dataset)
        return reader, {}

    @staticmethod
    def _readable_one_by_one(dataset: Dataset) -> tuple[_Reader, dict[str, str]]:
        bad: dict[str, str] = {}
        for name in dataset.features:
            try:
                for _ in _Reader(dataset, [name]).blocks():
                    pass
            except DataError as error:
                bad[name] = error.message
        return _Reader(dataset, [name for name in dataset.features if name not in bad]), bad

    @property
    def unreadable_columns(self) -> dict[str, str]:
        """Numeric columns that are not what info.json says: {column: why}."""
        return self._readable[1]

    def need_columns(self, *names: str) -> None:
        """Raise Unavailable unless all of `names` can be read."""
        reader, bad = self._readable
        for name in names:
            if name in bad:
                raise Unavailable(bad[name])
            if name not in reader.features:
                raise Unavailable(f"there is no column {name}")

    def rows(self) -> Iterator[Rows]:
        """Yield the numeric columns of every episode (of a part of the files on very large datasets)."""
        reader, bad = self._readable
        if not reader.features:
            raise Unavailable(next(iter(bad.values()), "there are no numeric columns"))
        for block in reader.blocks():
            ends = np.cumsum(block.lengths)
            for start, end in zip(ends - block.lengths, ends, strict=True):
                columns = {name: values[:, start:end].T for name, values in block.columns.items()}
                yield Rows(int(columns["episode_index"][0, 0]), columns)

    @cached_property
    def sample(self) -> list[Rows]:
        """Some episodes, spread evenly, and those whose pictures are looked at; all of them with `full`."""
        numbers = [rows.episode for rows in self.rows()]
        chosen = set(numbers if self.full else spread(numbers, SAMPLED_EPISODES))
        with contextlib.suppress(Unavailable):
            chosen |= {row.index for row in self.pictured}
        return [
            Rows(rows.episode, {name: np.array(v) for name, v in rows.columns.items() if name not in _SKIPPED})
            for rows in self.rows()
            if rows.episode in chosen
        ]

    @cached_property
    def task_names(self) -> dict[int, str]:
        """Each episode's task: its environment where `meta/mstool/episodes.jsonl` says it, else its sentences."""
        try:
            log = self.episode_log
        except Unavailable:
            log = []
        recorded = {str(line.get("episode_index")): line.get("env_id") for line in log}
        return {row.index: str(recorded.get(str(row.index)) or " / ".join(row.tasks)) for row in self.episodes}

    @cached_property
    def pictured(self) -> list[EpisodeRow]:
        """The episodes whose pictures are looked at: some of every task, spread evenly."""
        tasks: dict[str, list[EpisodeRow]] = {}
        for row in self.episodes:
            if row.length:
                tasks.setdefault(self.task_names[row.index], []).append(row)
        groups = spread(list(tasks.values()), MOST_PICTURED)
        each = min(PICTURED_EPISODES, MOST_PICTURED // max(len(groups), 1))
        return sorted((row for rows in groups for row in spread(rows, each)), key=lambda row: row.index)

    def some_files(self, files: list[Path]) -> list[Path]:
        """Take at most `OPENED_FILES` of `files`, spread evenly; all of them with `full`."""
        return files if self.full else spread(files, OPENED_FILES)

    @cached_property
    def row_counts(self) -> dict[Path, int]:
        """Rows per data file, from the footers of all files that can be read."""
        found = {}
        for path in self.data_files:
            try:
                found[path] = pq.read_metadata(path).num_rows
            except Exception:  # noqa: BLE001, S112  # arrow raises many kinds; the check of the files reports them
                continue
        return found


def spread[T](items: list[T], most: int) -> list[T]:
    """Return at most `most` of `items`, spread evenly, with the first and the last."""
    if len(items) <= most:
        return items
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, most).round()]


def is_depth(feature: Mapping[str, Any]) -> bool:
    """Whether a camera column holds depth maps, as LeRobot marks them."""
    info = feature.get("info")
    return isinstance(info, dict) and bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def _well_formed(feature: object) -> bool:
    if not isinstance(feature, dict) or not isinstance(feature.get("dtype"), str):
        return False
    shape = feature.get("shape")
    whole = isinstance(shape, list) and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape)
    return whole and (len(shape or []) == 3 or feature["dtype"] not in {"image", "video"})


def _tidy(feature: dict[str, Any]) -> dict[str, Any]:
    return {**feature, "info": feature["info"] if isinstance(feature.get("info"), dict) else {}}


_SKIPPED = set(INDEX_COLUMNS) - {"timestamp", "episode_index"}
