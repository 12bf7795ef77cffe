"""What a format of LeRobot's says of itself, and what it is given to write."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa

from mstool.contract import Array, Storage, Version

# `features` of a dataset's description: dtype, shape and names per column.
type Features = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class VideoPart:
    """An episode's pictures within a video file."""

    path: Path
    # When the first of them is shown, s.
    start: float
    frames: int
    # Bytes that they take.
    size: int
    # How they were encoded: only parts that agree fit into one file.
    encoding: str
    # Whether the file holds nothing else: then its frames are the first ones, whenever they are shown.
    alone: bool
    # Whether it can be taken out of its file; else it stays behind the part that precedes it there.
    apart: bool = True


class EpisodeContent(Protocol):
    """One episode of T frames, under the names of the dataset's columns."""

    @property
    def tasks(self) -> Sequence[str]:
        """The sentences that go with its frames."""

    @property
    def frames(self) -> int:
        """T."""

    @property
    def more(self) -> Mapping[str, Any]:
        """What else the episode table says of it."""

    def columns(self) -> Mapping[str, pa.Array]:
        """Return every column of T rows but videos and the indices `episode_index` and `index`."""

    def video(self, column: str) -> VideoPart:
        """Return where the pictures of an image column are; only where these are stored as video."""

    def image_stats(self, column: str) -> Mapping[str, Array]:
        """Return an image column's statistics: (C, 1, 1), RGB in [0, 1], and `count` (1,) frames; empty if unknown."""


@dataclass(frozen=True)
class Content:
    """All that a dataset holds."""

    # In the order in which they are stored.
    episodes: Sequence[EpisodeContent]
    features: Features
    # The distinct sentences: position is task index.
    tasks: Sequence[str]
    # Control frequency, Hz.
    fps: float
    robot_type: str | None
    # Given a column (T,) or (T, ...), LeRobot's statistics of one episode: arrays of a frame's shape, `count` (1,).
    column_stats: Callable[[Array], dict[str, Array]]
    # Statistics of every image column over the whole dataset.
    image_stats: Mapping[str, Mapping[str, Array]]
    # Given parts of videos, a path and fps: writes them as one.
    join_videos: Callable[[Sequence[VideoPart], Path, float], None]
    # What else the description says.
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def videos(self) -> list[str]:
        """The columns whose pictures are videos."""
        return [name for name, feature in self.features.items() if feature["dtype"] == "video"]

    @property
    def images(self) -> list[str]:
        """The columns of pictures."""
        return [name for name, feature in self.features.items() if feature["dtype"] in {"image", "video"}]


@dataclass(frozen=True)
class Format:
    """One version of LeRobot's format, as it is written here."""

    version: Version
    # How images are kept unless a user says otherwise.
    storage: Storage
    # Whose names its columns have.
    names: Literal["lerobot", "openpi"]
    # What its readers call the last axis of an image, and whether a video shows depth.
    channels: str
    is_depth: str
    # What its readers' `datasets` calls a list of fixed length: `Sequence` up to 3.6, which openpi pins, then `List`.
    list_type: str
    # Writes a dataset into an empty folder; the caller renames it into place.
    write: Callable[[Content, Path], None]
