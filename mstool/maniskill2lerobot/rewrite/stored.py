"""Open a dataset that `mstool` wrote, in either format, as what it was made of: recipes, episodes, pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from mstool.contract import RobotFacts, Storage, Version, VideoProfile
from mstool.dataset.episode_log import read_episode_log
from mstool.dataset.episode_table import EpisodeRow, read_episodes
from mstool.dataset.files import EPISODE_LOG_FILE, INFO_NAME, RECORD_FILE, data_file, needed, video_file
from mstool.dataset.formats import FORMATS
from mstool.dataset.formats.rows import INDEX
from mstool.dataset.info import VERSIONS, Info, read_info, unknown_version
from mstool.dataset.record import Record, read_record
from mstool.errors import DataError
from mstool.layouts import LAYOUTS
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.writers.features import camera_columns, features, vector_columns
from mstool.paths import quoted

# What two datasets must agree on to be one. The words that a layout says of itself may change, what it is may not.
_ALIKE = ("layout", "control_mode", "goal", "image_size", "render_detail")


@dataclass(frozen=True)
class StoredDataset:
    """A dataset on disk: its description, one line of the episode log and one row of the episode table per episode."""

    root: Path
    info: Info
    # What mstool wrote about the data.
    record: Record
    # One line per episode of the episode log.
    log: Sequence[Mapping[str, Any]]
    # By episode.
    rows: Sequence[EpisodeRow]

    @property
    def version(self) -> Version:
        """The LeRobot version."""
        return cast("Version", self.info.codebase_version)

    @property
    def fps(self) -> int:
        """Frames per second."""
        return int(self.info.fps)

    @property
    def storage(self) -> Storage:
        """How pictures are kept."""
        return cast("Storage", self.info.features[next(iter(self.record.views))].dtype)

    @property
    def video_profile(self) -> VideoProfile:
        """How its videos are encoded."""
        return self.record.video_profile or "exact"

    @property
    def is_current(self) -> bool:
        """Whether its `meta/` is as this version writes it: up to 0.1.1, LeRobot's tools could not read all of it."""
        table = features(self.recipes[0], self.version, self.storage, self.fps)
        return self.info.raw["features"] == table and (self.root / RECORD_FILE).is_file()

    @property
    def added(self) -> list[str]:
        """Columns beside those that mstool gives: somebody has added them."""
        recipe = self.recipes[0]
        given = {**camera_columns(recipe, self.version), **vector_columns(recipe, self.version), **INDEX}
        return [name for name in self.info.features if name not in given]

    @cached_property
    def recipes(self) -> Sequence[Recipe]:
        """The recipe of every episode."""
        return [self._recipe(line, row) for line, row in zip(self.log, self.rows, strict=True)]

    def differences(self, other: "StoredDataset", *, profiles: bool = True) -> list[str]:
        """Name everything that keeps two datasets from being one; empty when they fit.

        How their videos are encoded does not matter without `profiles`: they will be encoded anew.
        """
        pairs: dict[str, tuple[object, object]] = {
            "format": (self.version, other.version),
            "images stored as": (self.storage, other.storage),
            "fps": (self.fps, other.fps),
        }
        if profiles and self.storage == other.storage == "video":
            pairs["video profile"] = (self.video_profile, other.video_profile)
        names: tuple[str, ...] = _ALIKE
        if not LAYOUTS[self.record.layout].physical:  # what is stored are the controller's own units
            names = (*names, "controller")
        if self.version == other.version:  # else every column has another name
            names = (*names, "units", "views")
            ours, theirs = _shapes(self.info.raw["features"]), _shapes(other.info.raw["features"])
            columns = {f"column {name}": (ours.get(name), theirs.get(name)) for name in {**ours, **theirs}}
        else:
            columns = {}
        differing = [(name, *pair) for name, pair in pairs.items() if pair[0] != pair[1]]
        differing += self.record.differences(other.record, names)
        differing += [(name, *pair) for name, pair in columns.items() if pair[0] != pair[1]]
        return [f"{name}: {ours} and {theirs}" for name, ours, theirs in differing]

    def _recipe(self, line: Mapping[str, Any], row: EpisodeRow) -> Recipe:
        record = self.record
        env_id = str(line["env_id"])
        height, width = record.image_size
        (instruction,) = row.tasks
        return Recipe(
            env_id=env_id,
            instruction=instruction,
            horizon=record.horizon[env_id],
            layout_name=record.layout,
            control_mode=record.control_mode,
            views=tuple(record.views.values()),
            image_size=(height, width),
            goal=record.goal,
            observations=record.observations,
            render_detail=record.render_detail,
            hold_steps=int(line.get("hold_steps", 0)),
            video_profile=self.video_profile,
            names=self._names(),
        )

    def _names(self) -> RobotFacts | None:
        if LAYOUTS[self.record.layout].control_modes:
            return None
        # `native` learns its names from the robot; here they are the columns'.
        lerobot = FORMATS[self.version].names == "lerobot"
        state, action = ("observation.state", "action") if lerobot else ("state", "actions")
        features, units = self.info.features, self.record.units
        return RobotFacts(*map(tuple, (features[state].names, units[state], features[action].names, units[action])))


def open_stored(root: Path) -> StoredDataset:
    """Open a dataset and check that everything that is needed to write it again is there.

    Raises
    ------
    UsageError
        `root` is not the folder of a dataset.
    DataError
        It does not say what its numbers mean (it was made elsewhere), or is incomplete.

    """
    info = read_info(root)
    if info.codebase_version not in VERSIONS:
        raise unknown_version(root, info.codebase_version)
    record = read_record(root)
    if record.layout not in LAYOUTS or not (root / EPISODE_LOG_FILE).is_file():
        raise DataError(
            f"{root}: its record ({RECORD_FILE}) names no layout that is known here, or its episode log is missing",
            fix=f"mstool describe {quoted(root)} --from ORIGINAL --overwrite",
        )
    with needed(root):
        lines = read_episode_log(root)
        rows = sorted(read_episodes(root, info.raw, info.videos, stats=False), key=lambda row: row.index)
    strangers = sorted({str(line.get("env_id")) for line in lines} - set(record.env_ids))
    if strangers and record.env_ids:
        raise DataError(
            f"{root}: episodes are of {', '.join(strangers)} ({EPISODE_LOG_FILE}), of which {RECORD_FILE} says nothing",
            fix=f"mstool describe {quoted(root)} --from ORIGINAL --overwrite",
        )
    try:
        dataset = StoredDataset(root, info, record, lines, rows)
        expected = {
            **camera_columns(dataset.recipes[0], dataset.version),
            **vector_columns(dataset.recipes[0], dataset.version),
        }
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(
            f"{root}: its meta/ folder is damaged ({error!r})", fix="convert or download it again"
        ) from error
    missing = [name for name in expected if name not in info.features]
    missing += [name for name in info.videos if any(name not in row.videos for row in rows)]
    if missing or not len(lines) == len(rows) == info.total_episodes:
        raise DataError(
            f"{root}: incomplete ({len(rows)} episodes in the table, {len(lines)} in {EPISODE_LOG_FILE}, "
            f"{info.total_episodes} in {INFO_NAME}; missing columns: {', '.join(missing) or 'none'})",
            fix="convert or download it again",
        )
    return dataset


def data_path(dataset: StoredDataset, index: int) -> Path:
    """Return the parquet file that holds an episode's rows."""
    with needed(dataset.root):
        return data_file(dataset.root, dataset.info.raw, dataset.rows[index].data)


def video_path(dataset: StoredDataset, index: int, column: str) -> Path:
    """Return the video file that holds an episode's pictures."""
    with needed(dataset.root):
        return video_file(dataset.root, dataset.info.raw, dataset.rows[index].videos[column].place, column)


def _shapes(features: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    # How pictures are stored is compared by itself.
    return {
        name: ("picture" if spec["dtype"] in {"image", "video"} else spec["dtype"], spec["shape"], spec.get("names"))
        for name, spec in features.items()
    }
