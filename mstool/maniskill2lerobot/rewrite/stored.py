"""Open a dataset that `mstool` wrote, in either format, as what it was made of: recipes, episodes, pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import pyarrow as pa

from mstool.contract import EPISODES_FILE, RobotFacts, Storage, Version
from mstool.dataset.locate import INFO_FILE, locate
from mstool.dataset.record import RECORD_FILE, Record, read_record
from mstool.dataset.rows_table import Row, read_object, rows_v3, rows_v21
from mstool.errors import DataError
from mstool.layouts import LAYOUTS
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.writers.features import camera_columns, features, vector_columns

# What two datasets must agree on to be one. The words that a layout says of itself may change, what it is may not.
_ALIKE = ("layout", "control_mode", "controller", "goal", "image_size", "render_detail")


@dataclass(frozen=True)
class StoredDataset:
    """A dataset on disk: `meta/info.json`, one provenance line and one table row per episode."""

    root: Path
    info: Row
    # What mstool wrote about the data.
    record: Record
    # One line per episode of `meta/mstool/episodes.jsonl`.
    log: Sequence[Row]
    # Per episode its instruction, number of frames and, in v3.0, the places of its rows and pictures.
    rows: Sequence[Row]

    @property
    def version(self) -> Version:
        """The LeRobot version."""
        return cast("Version", self.info["codebase_version"])

    @property
    def fps(self) -> int:
        """Frames per second."""
        return int(self.info["fps"])

    @property
    def storage(self) -> Storage:
        """How pictures are kept."""
        return cast("Storage", self.info["features"][next(iter(self.record.views))]["dtype"])

    @property
    def is_current(self) -> bool:
        """Whether its `meta/` is as this version writes it: up to 0.1.1, LeRobot's tools could not read all of it."""
        table = features(self.recipes[0], self.version, self.storage, self.fps)
        return self.info["features"] == table and (self.root / RECORD_FILE).is_file()

    @cached_property
    def recipes(self) -> Sequence[Recipe]:
        """The recipe of every episode."""
        return [self._recipe(line, row) for line, row in zip(self.log, self.rows, strict=True)]

    def differences(self, other: "StoredDataset") -> list[str]:
        """Name everything that keeps two datasets from being one; empty when they fit."""
        pairs: dict[str, tuple[object, object]] = {
            "format": (self.version, other.version),
            "pictures stored as": (self.storage, other.storage),
            "fps": (self.fps, other.fps),
        }
        names: tuple[str, ...] = _ALIKE
        if self.version == other.version:  # else every column has another name
            names = (*names, "units", "views")
            ours, theirs = _shapes(self.info["features"]), _shapes(other.info["features"])
            columns = {f"column {name}": (ours.get(name), theirs.get(name)) for name in {**ours, **theirs}}
        else:
            columns = {}
        differing = [(name, *pair) for name, pair in pairs.items() if pair[0] != pair[1]]
        differing += self.record.differences(other.record, names)
        differing += [(name, *pair) for name, pair in columns.items() if pair[0] != pair[1]]
        return [f"{name}: {ours} and {theirs}" for name, ours, theirs in differing]

    def _recipe(self, line: Row, row: Row) -> Recipe:
        record = self.record
        env_id = str(line["env_id"])
        height, width = record.image_size
        return Recipe(
            env_id=env_id,
            instruction=row["task"],
            horizon=record.horizon[env_id],
            layout_name=record.layout,
            control_mode=record.control_mode,
            robot=record.robot_uids,
            views=tuple(record.views.values()),
            image_size=(height, width),
            goal=record.goal,
            observations=record.observations,
            render_detail=record.render_detail,
            names=self._names(),
        )

    def _names(self) -> RobotFacts | None:
        if LAYOUTS[self.record.layout].control_modes:
            return None
        # `native` learns its names from the robot; here they are the columns'.
        state, action = ("observation.state", "action") if self.version == "v3.0" else ("state", "actions")
        features, units = self.info["features"], self.record.units
        return RobotFacts(
            *map(tuple, (features[state]["names"], units[state], features[action]["names"], units[action]))
        )


def open_stored(root: Path) -> StoredDataset:
    """Open a dataset and check that everything that is needed to write it again is there.

    Raises
    ------
    UsageError
        `root` is not the folder of a dataset.
    DataError
        It does not say what its numbers mean (it was made elsewhere), or is incomplete.

    """
    info = read_object(locate(root) / INFO_FILE)
    if info.get("codebase_version") not in {"v3.0", "v2.1"}:
        raise DataError(f"{root}: LeRobot version {info.get('codebase_version')!r} is none of v3.0, v2.1")
    record = read_record(root)
    log = root / EPISODES_FILE
    if record.layout not in LAYOUTS or not log.is_file():
        raise DataError(
            f"{root}: nothing in it says which layout its numbers follow (no {RECORD_FILE}): a dataset made elsewhere "
            "cannot be rewritten without guessing",
            fix=f"mstool describe {root} --from ORIGINAL, where another tool has rewritten a dataset of ours; for "
            "others, the converter of the LeRobot release that wrote it",
        )
    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        rows = rows_v3(root) if info["codebase_version"] == "v3.0" else rows_v21(root)
        dataset = StoredDataset(root, info, record, lines, rows)
        expected = {
            **camera_columns(dataset.recipes[0], dataset.version),
            **vector_columns(dataset.recipes[0], dataset.version),
        }
    except (KeyError, ValueError, IndexError, OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{root}: its meta/ folder is damaged ({error!r})", fix="convert or download it again"
        ) from error
    missing = [name for name in expected if name not in info["features"]]
    if missing or not len(lines) == len(rows) == int(info["total_episodes"]):
        raise DataError(
            f"{root}: incomplete ({len(rows)} episodes in the table, {len(lines)} in {EPISODES_FILE}, "
            f"{info['total_episodes']} in info.json; missing columns: {', '.join(missing) or 'none'})",
            fix="convert or download it again",
        )
    return dataset


def data_path(dataset: StoredDataset, index: int) -> Path:
    """Return the parquet file that holds an episode's rows."""
    return dataset.root / _place(dataset, dataset.info["data_path"], index, "data")


def video_path(dataset: StoredDataset, index: int, column: str) -> Path:
    """Return the video file that holds an episode's pictures."""
    return dataset.root / _place(dataset, dataset.info["video_path"], index, f"videos/{column}", video_key=column)


def _place(dataset: StoredDataset, pattern: str, index: int, prefix: str, **more: str) -> str:
    if dataset.version == "v2.1":
        chunk = index // int(dataset.info["chunks_size"])
        return pattern.format(episode_chunk=chunk, episode_index=index, **more)
    row = dataset.rows[index]
    return pattern.format(chunk_index=row[f"{prefix}/chunk_index"], file_index=row[f"{prefix}/file_index"], **more)


def _shapes(features: Mapping[str, Row]) -> dict[str, object]:
    # How pictures are stored is compared by itself.
    return {
        name: ("picture" if spec["dtype"] in {"image", "video"} else spec["dtype"], spec["shape"], spec.get("names"))
        for name, spec in features.items()
    }
