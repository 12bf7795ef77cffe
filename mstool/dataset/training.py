"""What training must know of a dataset, read from its meta files alone."""

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.locate import is_dataset, locate
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
    # `meta/info.json`'s `features`.
    features: Mapping[str, Mapping[str, Any]]
    # `meta/stats.json`.
    stats: Mapping[str, Mapping[str, Any]]

    @property
    def cameras(self) -> dict[str, tuple[int, int]]:
        """Columns of pictures: name to (height, width)."""
        return {
            key: (int(feature["shape"][0]), int(feature["shape"][1]))
            for key, feature in self.features.items()
            if feature.get("dtype") in {"video", "image"}
        }

    def steps_per_epoch(self, samples_per_step: int) -> int:
        """Return the number of steps that see every frame once."""
        return math.ceil(self.frames / samples_per_step)

    def length(self, key: str) -> int:
        """Return the number of dimensions of a column of numbers."""
        return int(self.features[key]["shape"][0])


def read_facts(root: Path) -> Facts:
    """Read `meta/info.json` and `meta/stats.json`.

    Raises
    ------
    UsageError
        It is not the folder of a dataset.
    DataError
        It is not a LeRobot v3.0 dataset, or its files are damaged.

    """
    info = _read(locate(root, prefer=VERSION) / "meta" / "info.json", root)
    version = str(info.get("codebase_version"))
    if version != VERSION:
        raise _wrong_version(root, version)
    try:
        return Facts(
            root=root,
            fps=int(info["fps"]),
            episodes=int(info["total_episodes"]),
            frames=int(info["total_frames"]),
            features=info["features"],
            stats=_read(root / "meta" / "stats.json", root),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{root}/meta/info.json: {error!r}", fix=_validate(root)) from error


def _wrong_version(root: Path, version: str) -> MstoolError:
    why = f"{root} is LeRobot {version}; lerobot 0.6.1 trains on {VERSION} alone"
    twin = root.parent / VERSION
    if root.name == version and is_dataset(twin):
        return WrongWordError(f"{why}: {twin} is its twin", given=root, instead=twin)
    here = root.resolve()
    exported = here.with_name(f"{here.name}-lerobot")
    command = shlex.join(["mstool", "export", str(root), "--format", VERSION, "--output", str(exported)])
    return DataError(why, fix=command)


def _read(path: Path, root: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{root} is not a complete LeRobot dataset (no meta/{path.name})",
            fix=f"mstool stats {root}",
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", fix=_validate(root)) from error
    if not isinstance(data, dict):
        raise DataError(f"{path} must hold a JSON object", fix=_validate(root))
    return data


def _validate(root: Path) -> str:
    return shlex.join(["mstool", "validate", str(root)])
