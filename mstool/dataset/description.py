"""What statistics and column readers need of a dataset: its numeric features, and the files with their rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.files import data_file, needed, v2_place
from mstool.dataset.info import NOT_NUMERIC, READABLE, Feature, Info, read_info, unknown_version
from mstool.dataset.record import read_record
from mstool.errors import DataError

_NARROW = {"float16", "float32", "bool", "int8", "uint8", "int16", "uint16"}


@dataclass(frozen=True)
class NumericFeature:
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
        return math.prod(self.shape)

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
    features: Mapping[str, NumericFeature]
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
    info = read_info(root)
    if info.codebase_version not in READABLE:
        raise unknown_version(root, info.codebase_version)
    record = read_record(root)
    features = {
        name: _numeric(name, feature, record.units.get(name, ()))
        for name, feature in info.features.items()
        if feature.dtype not in NOT_NUMERIC
    }
    episodes, frames = info.total_episodes, info.total_frames
    if episodes < 1 or frames < 1:
        raise DataError(
            f"{root}: the dataset is empty ({episodes} episodes, {frames} frames)",
            fix="record or convert episodes first",
        )
    files = _episode_files(root, info) if info.is_v2 else _data_files(root)
    return Dataset(root, info.codebase_version, float(info.fps), episodes, frames, features, record.layout, files)


def _numeric(name: str, feature: Feature, units: Sequence[str]) -> NumericFeature:
    shape = feature.shape or (1,)
    dims = math.prod(shape)
    return NumericFeature(
        name,
        feature.dtype,
        shape,
        feature.names if len(feature.names) == dims else tuple(str(dim) for dim in range(dims)),
        tuple(units) if len(units) == dims else ("",) * dims,
    )


def _episode_files(root: Path, info: Info) -> tuple[Path, ...]:
    files: list[Path] = []
    with needed(root):
        # One by one: a description may announce any number of episodes.
        for episode in range(info.total_episodes):
            path = data_file(root, info.raw, v2_place(episode, info.chunks_size))
            if not path.is_file():
                lacks = max(info.total_episodes - sum(1 for _ in (root / "data").rglob("*.parquet")), 1)
                raise DataError(
                    f"{root}: {lacks} of {info.total_episodes} episode files are missing, "
                    f"first {path.relative_to(root)}",
                    fix="download or convert the dataset again",
                )
            files.append(path)
    return tuple(files)


def _data_files(root: Path) -> tuple[Path, ...]:
    files = tuple(sorted((root / "data").glob("chunk-*/file-*.parquet")))
    if not files:
        raise DataError(f"{root}: no data/chunk-*/file-*.parquet", fix="download or convert the dataset again")
    return files
