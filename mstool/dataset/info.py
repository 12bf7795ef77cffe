"""A dataset's description, `meta/info.json`: its version and sizes, its features, where its files are."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.column_names import flat_names
from mstool.dataset.files import INFO_FILE, Unavailable, read_json, read_object
from mstool.dataset.locate import locate
from mstool.errors import DataError

VERSIONS = ("v2.1", "v3.0")
# Those that statistics and validation read too: openpi's LeRobot takes v2.0, whose files are v2.1's, with a warning.
READABLE = ("v2.0", *VERSIONS)
# Pictures, text and what else is not countable; every other dtype is numbers.
NOT_NUMERIC = frozenset({"image", "video", "string", "language"})
# LeRobot's own number of episodes (v2.1) or files (v3.0) per folder.
CHUNKS_SIZE = 1000
# Frames per second: beyond it a mistake.
MOST_FPS = 1e6
# Numbers that one feature of one frame holds; larger shapes are mistakes, and names for each would fill the memory.
MOST_VALUES = 1 << 22


@dataclass(frozen=True)
class Feature:
    """One feature as the description declares it."""

    dtype: str
    # As stored per frame; pictures are (H, W, 3).
    shape: tuple[int, ...]
    # Of its dimensions, flat; empty where there are none.
    names: tuple[str, ...]
    # How a video was encoded; empty for others.
    info: Mapping[str, Any]

    @property
    def is_camera(self) -> bool:
        """Whether it holds pictures."""
        return self.dtype in {"image", "video"}


@dataclass(frozen=True)
class Info:
    """What a sound description says."""

    codebase_version: str
    # Frames per second, as it is written there: mostly an integer.
    fps: float
    total_episodes: int
    total_frames: int
    # 0 where it is not said.
    total_tasks: int
    # Episodes (v2.1) or files (v3.0) per folder.
    chunks_size: int
    features: Mapping[str, Feature]
    # Patterns of the files with rows and with videos; empty where it is not said, None in a dataset without videos.
    data_path: str
    video_path: str | None
    # Empty where it is not said.
    robot_type: str
    # Ranges of episodes by name, such as `0:40` for train.
    splits: Mapping[str, str]
    # The whole document.
    raw: Mapping[str, Any]

    @property
    def is_v2(self) -> bool:
        """Whether every episode has files of its own."""
        return self.codebase_version.startswith("v2")

    @property
    def videos(self) -> list[str]:
        """The features whose pictures are videos."""
        return [name for name, feature in self.features.items() if feature.dtype == "video"]


# What no reader can do without.
_NEEDED: dict[str, tuple[type, ...]] = {
    "codebase_version": (str,),
    "features": (dict,),
    "fps": (int, float),
    "total_episodes": (int,),
    "total_frames": (int,),
}


def read_info(root: Path, *, prefer: str = "v3.0") -> Info:
    """Read the description of the dataset at `root`.

    Parameters
    ----------
    root
        What the user gave.
    prefer
        The format that is named first where the folder holds one dataset per format.

    Raises
    ------
    UsageError
        `root` is not the folder of a dataset.
    DataError
        The file is damaged, or lacks what no reader can do without.

    """
    path = locate(root, prefer=prefer) / INFO_FILE
    fix = shlex.join(["mstool", "validate", str(root)])
    raw = read_object(path, fix=fix)
    wrong = [name for name, kinds in _NEEDED.items() if not _is(raw.get(name), kinds) or not _possible(name, raw[name])]
    version = raw.get("codebase_version")
    if wrong and isinstance(version, str) and version not in VERSIONS:
        raise unknown_version(root, version)
    features = {}
    for name, spec in raw["features"].items() if "features" not in wrong else ():
        if (feature := _feature(spec)) is None:
            wrong.append(f"feature {name}")
        else:
            features[name] = feature
    if wrong:
        raise DataError(f"{path} is not LeRobot's: {', '.join(wrong)} missing or malformed", fix=fix)
    tasks, size, splits = raw.get("total_tasks"), raw.get("chunks_size"), raw.get("splits")
    return Info(
        codebase_version=raw["codebase_version"],
        fps=raw["fps"],
        total_episodes=raw["total_episodes"],
        total_frames=raw["total_frames"],
        total_tasks=tasks if isinstance(tasks, int) else 0,
        chunks_size=size if isinstance(size, int) and size > 0 else CHUNKS_SIZE,
        features=features,
        data_path=str(raw.get("data_path") or ""),
        video_path=str(raw["video_path"]) if raw.get("video_path") else None,
        robot_type=str(raw.get("robot_type") or ""),
        splits=splits if isinstance(splits, dict) else {},
        raw=raw,
    )


def read_info_as_is(root: Path) -> dict[str, Any]:
    """Read a description that may be damaged, for those who say what is wrong with it: the document, unchecked.

    Raises
    ------
    Unavailable
        It is not there, or not a JSON object.

    """
    info = read_json(root / INFO_FILE)
    if not isinstance(info, dict):
        raise Unavailable(f"{INFO_FILE} is not a JSON object")
    return info


def unknown_version(root: Path, version: str) -> DataError:
    """Return the error for a dataset that neither LeRobot nor openpi reads today."""
    again = shlex.join(["mstool", "validate", str(root)])
    return DataError(
        f"{root}: LeRobot version {version!r} is none of {', '.join(VERSIONS)}",
        fix=f"convert it with the LeRobot release that wrote it, then run: {again}",
    )


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _possible(name: str, value: Any) -> bool:
    if name == "fps":
        return bool(0 < value < MOST_FPS)
    return value >= 0 if isinstance(value, int) else True


def is_shape(shape: object) -> bool:
    """Whether it is a list of lengths, of no more than `MOST_VALUES` numbers together."""
    return (
        isinstance(shape, list)
        and all(_is(length, (int,)) and length > 0 for length in shape)
        and math.prod(shape) <= MOST_VALUES
    )


def _feature(spec: object) -> Feature | None:
    """Return a feature; None where it is malformed. How large pictures are is only said of them."""
    if not isinstance(spec, dict) or not isinstance(spec.get("dtype"), str):
        return None
    shape, info = spec.get("shape"), spec.get("info")
    sound = is_shape(shape)
    if not sound and spec["dtype"] not in NOT_NUMERIC:
        return None
    names = tuple(flat_names(spec.get("names")))
    return Feature(spec["dtype"], tuple(shape or ()) if sound else (), names, info if isinstance(info, dict) else {})
