"""Kept episodes on their way into a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from mstool.contract import Array, RobotFacts, Version
from mstool.errors import DataError
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import EpisodeMark, read_rows
from mstool.maniskill2lerobot.pictures.pngs import read_pngs
from mstool.maniskill2lerobot.writers.features import Features, arrow_schema, vector_columns
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


def instructions(episodes: Sequence[Episode]) -> list[str]:
    """Return the distinct instructions in order of first use: position is task index."""
    return list(dict.fromkeys(episode.recipe.instruction for episode in episodes))


def episode_arrays(
    episode: Episode, version: Version, *, index: int, first_row: int, task_index: int, fps: int
) -> dict[str, Array]:
    """Return every numeric column of one episode: vectors (T, D) float32 and the five index columns (T,)."""
    rows = read_rows(episode.shard)
    length = episode.mark.frames
    frame = np.arange(length, dtype=np.int64)
    columns: dict[str, Array] = {}
    for column, (array, part) in vector_columns(episode.recipe, version).items():
        values = rows[array]
        # The goal stands still: one row is repeated for every frame.
        columns[column] = np.broadcast_to(values, (length, len(values))) if array == "goal" else values[:, part]
    return {
        **columns,
        # In double precision first: |dt - 1/fps| must stay below 1e-4 s however long the episode.
        "timestamp": (frame / fps).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.full(length, index, np.int64),
        "index": frame + first_row,
        "task_index": np.full(length, task_index, np.int64),
    }


def episode_table(
    episode: Episode, columns: dict[str, Array], table: Features, version: Version, views: dict[str, str]
) -> pa.Table:
    """Return one episode's parquet rows; pictures become PNG structs where the table stores images."""
    schema = arrow_schema(table, version)
    arrays = []
    for field in schema:
        if field.name in columns:
            values = np.ascontiguousarray(columns[field.name])
            flat = pa.array(values.ravel())
            arrays.append(
                flat
                if len(flat) == len(values)
                else pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(field.type)
            )
        else:
            pngs = list(read_pngs(episode.shard / f"{views[field.name]}.parquet"))
            names = [f"frame-{k:06d}.png" for k in range(len(pngs))]
            arrays.append(pa.StructArray.from_arrays([pa.array(pngs, pa.binary()), pa.array(names)], ["bytes", "path"]))
    return pa.table(arrays, schema=schema)


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
