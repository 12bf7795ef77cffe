"""What a format of LeRobot's says of itself, and what it is given to write."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from mstool.contract import Array, Storage, Version

# `features` of a dataset's description: dtype, shape and names per column.
type Features = dict[str, dict[str, Any]]


class EpisodeContent(Protocol):
    """One episode of T frames, under the names of the dataset's columns."""

    @property
    def instruction(self) -> str:
        """The sentence that goes with every frame."""

    @property
    def frames(self) -> int:
        """T."""

    def vectors(self) -> dict[str, Array]:
        """Return every vector column (T, D), float32."""

    def video(self, column: str) -> Path:
        """Return the mp4 of an image column; only where images are stored as video."""

    def pngs(self, column: str) -> Iterable[bytes]:
        """Return the T PNGs of an image column; only where images are stored as such."""

    def image_stats(self, column: str) -> dict[str, Array]:
        """Return an image column's statistics: (3, 1, 1) in [0, 1], and `count` (1,) frames."""


@dataclass(frozen=True)
class Content:
    """All that a dataset holds."""

    # In the order in which they are stored.
    episodes: Sequence[EpisodeContent]
    features: Features
    # The image columns.
    images: tuple[str, ...]
    storage: Storage
    # Control frequency, Hz.
    fps: int
    robot_type: str
    # Given a column (T,) or (T, D), LeRobot's statistics of one episode: arrays (1,) or (D,), `count` (1,).
    column_stats: Callable[[Array], dict[str, Array]]
    # Statistics of every image column over the whole dataset.
    image_stats: Mapping[str, Mapping[str, Array]]
    # Given (path, frames) of videos, a path and fps: writes them as one.
    join_videos: Callable[[Iterable[tuple[Path, int]], Path, int], None]

    @property
    def tasks(self) -> list[str]:
        """The distinct instructions in order of first use: position is task index."""
        return list(dict.fromkeys(episode.instruction for episode in self.episodes))


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
