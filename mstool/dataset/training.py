"""What training must know of a dataset, read from its meta files alone."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.files import INFO_FILE, STATS_FILE, needed, read_stats
from mstool.dataset.info import read_info
from mstool.dataset.locate import is_dataset
from mstool.errors import DataError, MstoolError, WrongWordError

VERSION = "v3.0"  # lerobot 0.6.1, datasets/dataset_metadata.py, CODEBASE_VERSION
STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."


@dataclass(frozen=True)
class Facts:
    """A dataset's size and columns."""

    root: Path
    fps: int
    episodes: int
    frames: int
    # The description's `features`, as they stand there.
    features: Mapping[str, Mapping[str, Any]]
    # LeRobot's statistics.
    stats: Mapping[str, Mapping[str, Any]]

    @property
    def cameras(self) -> dict[str, tuple[int, int]]:
        """Columns of pictures: name to (height, width)."""
        return {
            key: (int(feature["shape"][0]), int(feature["shape"][1]))
            for key, feature in self.features.items()
            if feature.get("dtype") in {"video", "image"}
        }

    def length(self, key: str) -> int:
        """Return the number of dimensions of a column of numbers."""
        return int(self.features[key]["shape"][0])


def read_facts(root: Path) -> Facts:
    """Read the description and the statistics.

    Raises
    ------
    UsageError
        It is not the folder of a dataset.
    DataError
        It is not a LeRobot v3.0 dataset, or its files are damaged.

    """
    info = read_info(root, prefer=VERSION)
    if info.codebase_version != VERSION:
        raise _wrong_version(root, info.codebase_version)
    unsized = [name for name, feature in info.features.items() if feature.is_camera and len(feature.shape) != 3]
    if unsized:
        raise DataError(
            f"{root / INFO_FILE} does not say how large the images of {', '.join(unsized)} are",
            fix=shlex.join(["mstool", "validate", str(root)]),
        )
    return Facts(
        root=root,
        fps=int(info.fps),
        episodes=info.total_episodes,
        frames=info.total_frames,
        features=info.raw["features"],
        stats=_read_stats(root),
    )


def _wrong_version(root: Path, version: str) -> MstoolError:
    why = f"{root} is LeRobot {version}; lerobot 0.6.1 trains on {VERSION} alone"
    twin = root.parent / VERSION
    if root.name == version and is_dataset(twin):
        return WrongWordError(f"{why}: {twin} is its twin", given=root, instead=twin)
    here = root.resolve()
    exported = here.with_name(f"{here.name}-lerobot")
    command = shlex.join(["mstool", "export", str(root), "--format", VERSION, "--output", str(exported)])
    return DataError(why, fix=command)


def _read_stats(root: Path) -> dict[str, Any]:
    path = root / STATS_FILE
    if not path.is_file():
        raise DataError(
            f"{root} is not a complete LeRobot dataset (no {STATS_FILE})",
            fix=shlex.join(["mstool", "stats", str(root)]),
        )
    with needed(root):
        return read_stats(root)
