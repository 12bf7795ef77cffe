"""Kept episodes on their way into a dataset."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mstool.contract import Array, RobotFacts, Storage, Version
from mstool.dataset.formats.base import Content
from mstool.errors import DataError
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import EpisodeMark, read_rows
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.pngs import read_pngs
from mstool.maniskill2lerobot.pictures.video_parts import concatenate
from mstool.maniskill2lerobot.writers.features import camera_columns, features, vector_columns
from mstool.norm_stats.quantiles import NAMES, QUANTILES


@dataclass(frozen=True)
class Episode:
    """One complete shard and the recipe it was made by."""

    shard: Path
    mark: EpisodeMark
    recipe: Recipe

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
            "controller": (dict(first.mark.controller), dict(other.mark.controller)),
            "image size": (first.recipe.image_size, other.recipe.image_size),
            "goal": (first.recipe.goal, other.recipe.goal),
            "render detail": (first.recipe.render_detail, other.recipe.render_detail),
            "state": (first.recipe.layout.state, other.recipe.layout.state),
            "actions": tuple(e.recipe.layout.action(e.recipe.control_mode) for e in (first, other)),  # type: ignore[dict-item]
        }
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

    @property
    def instruction(self) -> str:
        """The sentence that goes with every frame."""
        return self.episode.recipe.instruction

    @property
    def frames(self) -> int:
        """T."""
        return self.episode.mark.frames

    def vectors(self) -> dict[str, Array]:
        """Return every vector column (T, D), float32."""
        rows = read_rows(self.episode.shard)
        columns: dict[str, Array] = {}
        for column, (array, part) in vector_columns(self.episode.recipe, self.version).items():
            values = rows[array]
            # The goal stands still: one row is repeated for every frame.
            goal = array == "goal"
            columns[column] = np.broadcast_to(values, (self.frames, len(values))) if goal else values[:, part]
        return columns

    def video(self, column: str) -> Path:
        """Return the mp4 of an image column."""
        return self.episode.shard / f"{self._view(column)}.mp4"

    def pngs(self, column: str) -> Iterator[bytes]:
        """Return the T PNGs of an image column."""
        return read_pngs(self.episode.shard / f"{self._view(column)}.parquet")

    def image_stats(self, column: str) -> dict[str, Array]:
        """Return an image column's statistics: (3, 1, 1) in [0, 1], and `count` (1,) frames."""
        return self.histogram(column).stats()

    def histogram(self, column: str) -> ImageHistogram:
        """Return what the statistics of an image column are made of."""
        return ImageHistogram(self.episode.mark.histograms[self._view(column)], self.frames)

    def _view(self, column: str) -> str:
        return camera_columns(self.episode.recipe, self.version)[column]


def content_of(episodes: Sequence[Episode], version: Version, storage: Storage, fps: int) -> Content:
    """Return what a format is to write: episodes that `check_alike` lets pass, in the order of the dataset."""
    first = episodes[0]
    columns = [Columns(episode, version) for episode in episodes]
    images = tuple(camera_columns(first.recipe, version))
    return Content(
        episodes=columns,
        features=features(first.recipe, version, storage, fps),
        images=images,
        storage=storage,
        fps=fps,
        robot_type=first.mark.robot,
        column_stats=vector_stats,
        image_stats={
            column: sum((each.histogram(column) for each in columns), ImageHistogram()).stats() for column in images
        },
        join_videos=concatenate,
    )


def vector_stats(values: Array) -> dict[str, Array]:
    """Return LeRobot's statistics of one episode's column (T,) or (T, D): arrays (1,) or (D,), `count` (1,)."""
    values = values.reshape(len(values), -1).astype(np.float64)
    return {
        "min": values.min(axis=0),
        "max": values.max(axis=0),
        "mean": values.mean(axis=0),
        "std": values.std(axis=0),
        **dict(zip(NAMES, np.quantile(values, QUANTILES, axis=0), strict=True)),
        "count": np.array([len(values)]),
    }
