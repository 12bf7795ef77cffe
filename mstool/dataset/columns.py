"""A dataset's numeric columns as blocks of whole episodes, read from parquet and nothing else: no image is decoded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mstool.dataset.description import Dataset, NumericFeature
from mstool.dataset.files import INFO_FILE, filled_fix
from mstool.dataset.parquet_files import open_parquet
from mstool.dataset.unreadable import unreadable_parquet
from mstool.errors import DataError

# Rows read at a time; a block holds the whole episodes among them.
ROWS = 1 << 16
# Columns up to this size are kept between readings; larger datasets are read again for each pass.
KEEP_BYTES = 512 * 1024**2
_EPISODE = "episode_index"


@dataclass(frozen=True)
class Block:
    """Some whole episodes, one after the other."""

    # Per feature, shape (D, n): one contiguous row per dimension, in the feature's own dtype.
    columns: Mapping[str, npt.NDArray[np.generic]]
    # Frames of each episode, shape (E,), int64, adding up to n.
    lengths: npt.NDArray[np.int64]


class ColumnReader:
    """Reads the given features of one dataset, any number of times.

    Raises
    ------
    DataError
        A column is missing, a file is damaged, or shapes, frames or episodes are not what `meta/info.json` says.

    """

    def __init__(self, dataset: Dataset, features: Iterable[str]) -> None:
        self.dataset = dataset
        self.features = {name: dataset.features[name] for name in features}
        size = dataset.frames * sum(feature.dims * feature.width // 8 for feature in self.features.values())
        self._keep = size <= KEEP_BYTES
        self._kept: list[Block] | None = None

    def blocks(self) -> Iterator[Block]:
        """Yield all episodes in order."""
        if self._kept is not None:
            yield from self._kept
            return
        kept = []
        for block in self._read():
            if self._keep:
                kept.append(block)
            yield block
        if self._keep:
            self._kept = kept

    def _read(self) -> Iterator[Block]:
        pending: list[dict[str, npt.NDArray[np.generic]]] = []
        frames = episodes = rows = 0
        for batch in self._batches():
            pending.append(batch)
            rows += batch[_EPISODE].size
            if rows < ROWS:
                continue
            columns = _stack(pending)
            index = columns[_EPISODE][0]
            # The last episode may go on in the next batch.
            cut = int(np.flatnonzero(index != index[-1])[-1]) + 1 if index[0] != index[-1] else 0
            pending, rows = [{name: values[:, cut:] for name, values in columns.items()}], index.size - cut
            if cut:
                block = _block({name: values[:, :cut] for name, values in columns.items()})
                frames, episodes = frames + cut, episodes + block.lengths.size
                yield block
        if rows:
            block = _block(_stack(pending))
            frames, episodes = frames + rows, episodes + block.lengths.size
            yield block
        self._check_totals(frames, episodes)

    def _check_totals(self, frames: int, episodes: int) -> None:
        dataset = self.dataset
        if (frames, episodes) != (dataset.frames, dataset.episodes):
            raise DataError(
                f"{dataset.root}: {episodes} episodes and {frames} frames in data/, "
                f"but {INFO_FILE} says {dataset.episodes} and {dataset.frames}",
                fix="the dataset is incomplete or was written twice: download or convert it again",
            )

    def _batches(self) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
        wanted = list(dict.fromkeys([*self.features, _EPISODE]))
        index = NumericFeature(_EPISODE, "int64", (1,), (_EPISODE,), ("",))
        for path in self.dataset.files:
            try:
                with open_parquet(path) as file:
                    _require(path, wanted, file.schema_arrow.names)
                    for batch in file.iter_batches(batch_size=ROWS, columns=wanted):
                        if batch.num_rows:
                            yield {
                                name: _matrix(path, self.features.get(name, index), batch.column(name))
                                for name in wanted
                            }
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
                reason = unreadable_parquet(path, error)
                fix = filled_fix(reason.fix, self.dataset.root) or "the file is damaged: download or write it again"
                raise DataError(f"{path}: {reason.what}", fix=fix) from error


def _require(path: Path, wanted: Sequence[str], present: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in present]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}, though {INFO_FILE} lists it (columns: {', '.join(present)})",
            fix=f"convert the dataset again, or take the feature out of {INFO_FILE}",
        )


def _stack(batches: Sequence[Mapping[str, npt.NDArray[np.generic]]]) -> dict[str, npt.NDArray[np.generic]]:
    return {name: np.concatenate([batch[name] for batch in batches], axis=1) for name in batches[0]}


def _block(columns: Mapping[str, npt.NDArray[np.generic]]) -> Block:
    index = columns[_EPISODE][0]
    starts = np.flatnonzero(np.concatenate([[True], index[1:] != index[:-1]]))
    lengths = np.diff(np.append(starts, index.size))
    return Block({name: np.ascontiguousarray(values) for name, values in columns.items()}, lengths.astype(np.int64))


def _matrix(path: Path, feature: NumericFeature, column: pa.Array) -> npt.NDArray[np.generic]:
    """Turn an arrow column of numbers or (nested) lists of them into an array of shape (D, rows)."""
    rows = len(column)
    depth = 0
    while True:
        if isinstance(column, pa.ExtensionArray):
            column = column.storage
        if column.null_count:
            raise DataError(f"{path}: column {feature.name} has empty cells", fix="drop those frames and convert again")
        if not (
            pa.types.is_list(column.type)
            or pa.types.is_large_list(column.type)
            or pa.types.is_fixed_size_list(column.type)
        ):
            break
        _check_lists(path, feature, column, depth)
        column, depth = column.flatten(), depth + 1
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "fiub" or values.size != rows * feature.dims:
        raise _wrong_shape(path, feature, f"{values.size / max(rows, 1):g} {column.type} values a frame")
    return np.ascontiguousarray(values.reshape(rows, feature.dims).T)


def _check_lists(path: Path, feature: NumericFeature, column: pa.Array, depth: int) -> None:
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    if depth >= len(feature.shape) or not lengths.size or (lengths != feature.shape[depth]).any():
        found = ", ".join(map(str, np.unique(lengths).tolist()))
        raise _wrong_shape(path, feature, f"lengths {found}")


def _wrong_shape(path: Path, feature: NumericFeature, found: str) -> DataError:
    return DataError(
        f"{path}: column {feature.name} has {found}, {INFO_FILE} says shape {feature.shape} of {feature.dtype}",
        fix="every episode needs the same shape: convert the odd ones again",
    )
