"""A dataset as it is on disk: every part is read once, when first asked for, and may be missing or damaged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.columns import ColumnReader
from mstool.dataset.description import Dataset, open_dataset
from mstool.dataset.episode_log import read_episode_log
from mstool.dataset.episode_table import EpisodeRow, read_episodes, read_tasks
from mstool.dataset.files import DATA_FOLDER, INFO_FILE, INFO_NAME, Unavailable, data_file, video_file
from mstool.dataset.info import MOST_FPS, is_shape, read_info_as_is
from mstool.dataset.parquet_files import read_footer
from mstool.dataset.record import Record, read_record
from mstool.errors import DataError


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
    """Reads what is there: another check compares the totals with the description."""

    def _check_totals(self, frames: int, episodes: int) -> None:
        pass


class DatasetView:
    """A dataset on disk. Every property raises `Unavailable` with the reason where its part cannot be read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def info(self) -> dict[str, Any]:
        """The dataset's description."""
        return read_info_as_is(self.root)

    @property
    def version(self) -> str:
        """`v2.1`, `v3.0`, or what else the dataset says."""
        return str(self.info.get("codebase_version", ""))

    @property
    def fps(self) -> float:
        """Frames per second."""
        fps = self.info.get("fps")
        if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < MOST_FPS:
            raise Unavailable(f"{INFO_NAME}'s fps is {fps!r}")
        return float(fps)

    @cached_property
    def features(self) -> dict[str, dict[str, Any]]:
        """The well-formed part of the description's feature table."""
        table = self.info.get("features")
        if not isinstance(table, dict):
            raise Unavailable(f"{INFO_NAME} has no feature table")
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
        """The camera columns' features; depth maps, and what else has one channel, are no pictures."""
        return {
            name: f
            for name, f in self.features.items()
            if f["dtype"] in {"image", "video"} and not is_depth(f) and channels(f) != 1
        }

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
        """The episode log: where every episode comes from."""
        return read_episode_log(self.root)

    @cached_property
    def disturbed(self) -> frozenset[int]:
        """The episodes that begin where their planner was disturbed to, not where their seeds do, as the log says."""
        try:
            return frozenset(int(line["episode_index"]) for line in self.episode_log if line.get("disturbed") is True)
        except (Unavailable, KeyError, TypeError, ValueError):
            return frozenset()

    @cached_property
    def data_files(self) -> list[Path]:
        """Every parquet file that the episode table names, whether it is there or not, in order of first use."""
        return list(dict.fromkeys(data_file(self.root, self.info, row.data) for row in self.episodes))

    @cached_property
    def filmed(self) -> dict[Path, list[tuple[EpisodeRow, str]]]:
        """Every video file that the episode table names, there or not, with the episodes in it and their camera."""
        found: dict[Path, list[tuple[EpisodeRow, str]]] = {}
        for row in self.episodes:
            for camera, span in row.videos.items():
                path = video_file(self.root, self.info, span.place, camera)
                found.setdefault(path, []).append((row, camera))
        return found

    def _open(self) -> Dataset:
        """Find the files whose rows are read."""
        try:
            return open_dataset(self.root)
        except DataError as error:
            raise Unavailable(error.message) from error
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise Unavailable(f"{INFO_FILE} is malformed: {error!r}") from error

    @cached_property
    def _readable(self) -> tuple[_Reader, dict[str, str]]:
        """Return a reader of every numeric column that has its declared shape, and why the others have not."""
        dataset = self._open()
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
        """Numeric columns that are not what the description says: {column: why}."""
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
        """Yield the numeric columns of every episode."""
        reader, bad = self._readable
        if not reader.features:
            raise Unavailable(next(iter(bad.values()), "there are no numeric columns"))
        for block in reader.blocks():
            ends = np.cumsum(block.lengths)
            for start, end in zip(ends - block.lengths, ends, strict=True):
                columns = {name: values[:, start:end].T for name, values in block.columns.items()}
                yield Rows(int(columns["episode_index"][0, 0]), columns)

    @cached_property
    def task_names(self) -> dict[int, str]:
        """Each episode's task: its environment where the episode log says it, else its sentences."""
        try:
            log = self.episode_log
        except Unavailable:
            log = []
        recorded = {str(line.get("episode_index")): line.get("env_id") for line in log}
        return {row.index: str(recorded.get(str(row.index)) or " / ".join(row.tasks)) for row in self.episodes}

    def pictures(self, row: EpisodeRow, camera: str, positions: Sequence[int]) -> list[Array]:
        """Decode frames of one episode, uint8 (H, W, 3) RGB each: `mstool.dataset.frames.read_pictures`."""
        from mstool.dataset.frames import read_pictures

        return read_pictures(self.root, self.info, row, camera, positions)

    @cached_property
    def row_counts(self) -> dict[Path, int]:
        """Rows per data file, from the footers of all files that can be read."""
        return _row_counts(self.data_files)

    @cached_property
    def unnamed_row_counts(self) -> dict[Path, int]:
        """The same of the files that are there though the episode table names none of them."""
        return _row_counts(sorted(set((self.root / DATA_FOLDER).rglob("*.parquet")) - set(self.data_files)))


def _row_counts(paths: Sequence[Path]) -> dict[Path, int]:
    found = {}
    for path in paths:
        try:
            found[path] = read_footer(path).num_rows
        except Exception:  # noqa: BLE001, S112  # arrow raises many kinds; the check of the files reports them
            continue
    return found


def is_depth(feature: Mapping[str, Any]) -> bool:
    """Whether a camera column holds depth maps, as LeRobot marks them."""
    info = feature.get("info")
    return isinstance(info, dict) and bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def channels(feature: Mapping[str, Any]) -> int:
    """How many numbers a pixel of a camera column has, by its shape and the names of its axes."""
    return int(feature["shape"][0 if _channels_first(feature) else -1])


def pixels(feature: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of a camera column's pictures."""
    height, width = feature["shape"][1:] if _channels_first(feature) else feature["shape"][:2]
    return int(height), int(width)


def _channels_first(feature: Mapping[str, Any]) -> bool:
    axes = feature.get("names")
    return isinstance(axes, list) and bool(axes) and str(axes[0]).startswith("channel")


def _well_formed(feature: object) -> bool:
    if not isinstance(feature, dict) or not isinstance(feature.get("dtype"), str):
        return False
    shape = feature.get("shape")
    return is_shape(shape) and (len(shape or []) == 3 or feature["dtype"] not in {"image", "video"})


def _tidy(feature: dict[str, Any]) -> dict[str, Any]:
    return {**feature, "info": feature["info"] if isinstance(feature.get("info"), dict) else {}}
