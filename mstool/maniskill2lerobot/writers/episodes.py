"""Kept episodes on their way into a dataset."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from mstool.contract import Array, RobotFacts, Storage, Version
from mstool.dataset.formats.base import Content, VideoPart
from mstool.dataset.formats.rows import number_column, png_column
from mstool.errors import DataError
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import EpisodeMark, read_rows
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.pngs import read_pngs
from mstool.maniskill2lerobot.pictures.profiles import CODEC_NAME
from mstool.maniskill2lerobot.pictures.video_joiner import VideoJoiner
from mstool.maniskill2lerobot.writers.features import camera_columns, features, vector_columns
from mstool.norm_stats.quantiles import NAMES, QUANTILES

type Reduce = Callable[..., Array]


@dataclass(frozen=True)
class Episode:
    """One complete shard and the recipe it was made by."""

    shard: Path
    mark: EpisodeMark
    recipe: Recipe
    # {view: how its video was encoded}, of one that was copied out of a dataset; else as this version encodes.
    encodings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, shard: Path, mark: EpisodeMark, recipe: Recipe) -> "Episode":
        """Put a shard together with its recipe, which learns the robot's names from the marker."""
        return cls(shard, mark, replace(recipe, names=RobotFacts.from_dict(mark.names)) if mark.names else recipe)


def check_alike(episodes: Sequence[Episode]) -> None:
    """Check that episodes can share a dataset, which says once for all of them what its numbers mean.

    Raises
    ------
    DataError
        Two of them differ in control frequency, controller, picture size or what the robot's numbers are called.

    """
    first = episodes[0]
    for other in episodes[1:]:
        pairs: dict[str, tuple[object, object]] = {
            "control mode": (first.recipe.control_mode, other.recipe.control_mode),
            "control frequency": (first.mark.controller["fps"], other.mark.controller["fps"]),
            "image size": (first.recipe.image_size, other.recipe.image_size),
            "goal": (first.recipe.goal, other.recipe.goal),
            "render detail": (first.recipe.render_detail, other.recipe.render_detail),
            "state": (first.recipe.layout.state, other.recipe.layout.state),
            "actions": tuple(e.recipe.layout.action(e.recipe.control_mode) for e in (first, other)),  # type: ignore[dict-item]
        }
        if not first.recipe.layout.physical:  # what is stored are the controller's own units
            pairs["controller"] = (dict(first.mark.controller), dict(other.mark.controller))
        for what, (ours, theirs) in pairs.items():
            if ours != theirs:
                raise DataError(
                    f"{first.recipe.env_id} and {other.recipe.env_id} do not fit into one dataset: {what} is {ours} "
                    f"and {theirs}",
                    fix="add --per-task: one dataset per environment",
                )


@dataclass(frozen=True)
class Columns:
    """An episode under the names that its columns have in a format (`mstool.dataset.formats.base.EpisodeContent`)."""

    episode: Episode
    version: Version
    storage: Storage

    # In the dataset.
    task_index: int

    @property
    def tasks(self) -> tuple[str]:
        """The sentence that goes with every frame."""
        return (self.episode.recipe.instruction,)

    @property
    def frames(self) -> int:
        """T."""
        return self.episode.mark.frames

    @property
    def more(self) -> dict[str, object]:
        """Nothing: where the episode comes from is in the episode log."""
        return {}

    def columns(self) -> dict[str, pa.Array]:
        """Return vectors (T, D) float32, pictures that are stored as PNGs, time and task."""
        rows, frame = read_rows(self.episode.shard), np.arange(self.frames, dtype=np.int64)
        arrays: dict[str, Array] = {
            # In double precision first: |dt - 1/fps| must stay below 1e-4 s however long the episode.
            "timestamp": (frame / int(self.episode.mark.controller["fps"])).astype(np.float32),
            "frame_index": frame,
            "task_index": np.full(self.frames, self.task_index, np.int64),
        }
        for column, (array, part) in vector_columns(self.episode.recipe, self.version).items():
            values = rows[array]
            # The goal stands still: one row is repeated for every frame.
            goal = array == "goal"
            arrays[column] = np.broadcast_to(values, (self.frames, len(values))) if goal else values[:, part]
        columns = {name: number_column(values) for name, values in arrays.items()}
        if self.storage == "image":
            columns |= {column: png_column(list(self._pngs(column))) for column in self._views}
        return columns

    def video(self, column: str) -> VideoPart:
        """Return the mp4 of an image column."""
        view = self._views[column]
        path = self.episode.shard / f"{view}.mp4"
        encoding = self.episode.encodings.get(view, CODEC_NAME)
        return VideoPart(path, 0.0, self.frames, path.stat().st_size, encoding, alone=True)

    def image_stats(self, column: str) -> dict[str, Array]:
        """Return an image column's statistics: (3, 1, 1) in [0, 1], and `count` (1,) frames."""
        return self.histogram(column).stats()

    def histogram(self, column: str) -> ImageHistogram:
        """Return what the statistics of an image column are made of."""
        return ImageHistogram(self.episode.mark.histograms[self._views[column]], self.frames)

    def _pngs(self, column: str) -> Iterator[bytes]:
        return read_pngs(self.episode.shard / f"{self._views[column]}.parquet")

    @property
    def _views(self) -> dict[str, str]:
        return camera_columns(self.episode.recipe, self.version)


def content_of(episodes: Sequence[Episode], version: Version, storage: Storage, fps: int) -> Content:
    """Return what a format is to write: episodes that `check_alike` lets pass, in the order of the dataset."""
    first = episodes[0]
    tasks = list(dict.fromkeys(episode.recipe.instruction for episode in episodes))
    columns = [Columns(episode, version, storage, tasks.index(episode.recipe.instruction)) for episode in episodes]
    return Content(
        episodes=columns,
        features=features(first.recipe, version, storage, fps),
        tasks=tasks,
        fps=fps,
        robot_type=first.mark.robot,
        column_stats=vector_stats,
        image_stats={
            column: sum((each.histogram(column) for each in columns), ImageHistogram()).stats()
            for column in camera_columns(first.recipe, version)
        },
        join_videos=VideoJoiner(),
    )


def vector_stats(values: Array) -> dict[str, Array]:
    """Return LeRobot's statistics of one episode's column (T,) or (T, ...): of a frame's shape, `count` (1,).

    NaN and infinity count as missing.
    """
    values = (values if values.ndim > 1 else values[:, None]).astype(np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(values).any():
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # where nothing is left, NaN
            return _stats(values, np.nanmin, np.nanmax, np.nanmean, np.nanstd, np.nanquantile)
    return _stats(values, np.min, np.max, np.mean, np.std, np.quantile)


def _stats(values: Array, low: Reduce, high: Reduce, mean: Reduce, std: Reduce, quantile: Reduce) -> dict[str, Array]:
    return {
        "min": low(values, axis=0),
        "max": high(values, axis=0),
        "mean": mean(values, axis=0),
        "std": std(values, axis=0),
        **dict(zip(NAMES, quantile(values, QUANTILES, axis=0), strict=True)),
        "count": np.array([len(values)]),
    }
