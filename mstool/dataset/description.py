"""A LeRobot dataset on disk, v2.1 or v3.0, as its `meta/info.json` describes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.column_names import flat_names
from mstool.dataset.locate import locate
from mstool.dataset.record import read_record
from mstool.errors import DataError

VERSIONS = ("v2.1", "v3.0")
# Columns that hold pictures, text or nothing countable; every other dtype gets statistics.
_NOT_NUMERIC = {"image", "video", "string", "language"}
_NARROW = {"float16", "float32", "bool", "int8", "uint8", "int16", "uint16"}


@dataclass(frozen=True)
class Feature:
    """A numeric feature of a dataset."""

    name: str
    dtype: str
    # As stored per frame; a scalar is (1,).
    shape: tuple[int, ...]
    # One per dimension; dimension numbers where the dataset has no names.
    names: tuple[str, ...]
    # One per dimension, empty where the dataset does not say.
    units: tuple[str, ...]

    @property
    def dims(self) -> int:
        """How many numbers a frame holds."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def width(self) -> int:
        """32 where every value is a float32 exactly, else 64."""
        return 32 if self.dtype in _NARROW else 64


@dataclass(frozen=True)
class Dataset:
    """What statistics need to know about a dataset; nothing of its columns is read yet."""

    root: Path
    version: str
    fps: float
    episodes: int
    frames: int
    features: Mapping[str, Feature]
    # The layout `mstool convert` wrote, or "" for datasets made elsewhere.
    layout: str
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.resolve().name


def open_dataset(root: Path) -> Dataset:
    """Read a dataset's description and find its parquet files.

    Raises
    ------
    UsageError
        `root` is not the folder of a dataset.
    DataError
        It is of another version, is empty, or lacks files its description names.

    """
    info = _read_info(locate(root))
    version = str(info.get("codebase_version"))
    if version not in VERSIONS:
        raise DataError(
            f"{root}: LeRobot version {version!r} is none of {', '.join(VERSIONS)}",
            fix="convert it with the LeRobot release that wrote it, then run: mstool stats " + str(root),
        )
    record = read_record(root)
    units = record.units
    try:
        episodes, frames = int(info["total_episodes"]), int(info["total_frames"])
        features = {name: _feature(name, spec, units) for name, spec in info["features"].items() if _numeric(spec)}
        fps = float(info["fps"])
    except KeyError as error:
        raise DataError(f"{root}/meta/info.json: no {error}", fix="convert the dataset again") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{root}/meta/info.json: malformed ({error})", fix="convert the dataset again") from error
    if episodes < 1 or frames < 1:
        raise DataError(
            f"{root}: the dataset is empty ({episodes} episodes, {frames} frames)",
            fix="record or convert episodes first",
        )
    layout = record.layout
    files = _episode_files(root, info, episodes) if version == "v2.1" else _data_files(root)
    return Dataset(root, version, fps, episodes, frames, features, layout, files)


def _read_info(root: Path) -> dict[str, Any]:
    path = root / "meta" / "info.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}", fix="restore the file, or convert the dataset again") from error
    if not isinstance(info, dict):
        raise DataError(f"{path}: holds no JSON object", fix="restore the file, or convert the dataset again")
    return info


def _numeric(spec: Mapping[str, Any]) -> bool:
    return spec["dtype"] not in _NOT_NUMERIC


def _feature(name: str, spec: Mapping[str, Any], units_of: object) -> Feature:
    shape = tuple(int(length) for length in spec["shape"]) or (1,)
    feature = Feature(name, str(spec["dtype"]), shape, (), ())
    names = flat_names(spec.get("names"))
    units = units_of.get(name) if isinstance(units_of, dict) else None
    return Feature(
        name,
        feature.dtype,
        shape,
        tuple(names) if len(names) == feature.dims else tuple(str(dim) for dim in range(feature.dims)),
        tuple(map(str, units)) if units and len(units) == feature.dims else ("",) * feature.dims,
    )


def _episode_files(root: Path, info: Mapping[str, Any], episodes: int) -> tuple[Path, ...]:
    pattern = str(info.get("data_path") or "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet")
    try:
        size = int(info.get("chunks_size") or 1000)
        files = tuple(root / pattern.format(episode_chunk=i // size, episode_index=i) for i in range(episodes))
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{root}/meta/info.json: data_path {pattern!r} is no v2.1 pattern ({error})",
            fix="convert the dataset again",
        ) from error
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise DataError(
            f"{root}: {len(missing)} of {episodes} episode files are missing, first {missing[0].relative_to(root)}",
            fix="download or convert the dataset again",
        )
    return files


def _data_files(root: Path) -> tuple[Path, ...]:
    files = tuple(sorted((root / "data").glob("chunk-*/file-*.parquet")))
    if not files:
        raise DataError(f"{root}: no data/chunk-*/file-*.parquet", fix="download or convert the dataset again")
    return files
