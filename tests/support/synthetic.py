"""Small numeric LeRobot datasets written by hand, in either version, for tests and benchmarks.

They hold no images and no tasks file, only what statistics read: not for training.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mstool.dataset.files import INFO_FILE, V2_DATA, V3_DATA, v2_place
from mstool.dataset.info import CHUNKS_SIZE

type Columns = Mapping[str, npt.NDArray[np.generic]]

_DTYPES = {"f4": "float32", "f8": "float64", "i8": "int64", "b1": "bool"}


def write_dataset(
    root: Path,
    columns: Columns,
    lengths: Sequence[int],
    *,
    version: str = "v3.0",
    names: Mapping[str, Sequence[str]] | None = None,
    layout: str = "",
    units: Mapping[str, Sequence[str]] | None = None,
    fps: int = 20,
) -> Path:
    """Write a dataset.

    Parameters
    ----------
    root
        Folder to make.
    columns
        Per feature an array of shape (frames, *feature shape).
    lengths
        Frames of each episode, adding up to the arrays' length.
    version
        "v2.1": one file per episode; "v3.0": one file.
    names
        Dimension names per feature.
    layout, units
        What `mstool convert` notes of the dataset.
    fps
        Frames per second, for `timestamp`.

    Returns
    -------
    `root`.

    """
    counts = np.asarray(lengths, dtype=np.int64)
    starts = np.cumsum(counts) - counts
    inside = np.arange(int(counts.sum())) - np.repeat(starts, counts)
    table = dict(columns) | {
        "timestamp": (inside / fps).astype(np.float32),
        "frame_index": inside,
        "episode_index": np.repeat(np.arange(counts.size), counts),
        "index": np.arange(int(counts.sum())),
        "task_index": np.zeros(int(counts.sum()), dtype=np.int64),
    }
    if version == "v2.1":
        for i, (start, length) in enumerate(zip(starts, counts, strict=True)):
            path = root / V2_DATA.format(**v2_place(i, CHUNKS_SIZE))
            _write(path, {name: values[start : start + length] for name, values in table.items()})
    else:
        _write(root / V3_DATA.format(chunk_index=0, file_index=0), table)
    info: dict[str, object] = {
        "codebase_version": version,
        "fps": fps,
        "total_episodes": int(counts.size),
        "total_frames": int(counts.sum()),
        "chunks_size": CHUNKS_SIZE,
        "data_path": V2_DATA if version == "v2.1" else V3_DATA,
        "features": {
            name: {
                "dtype": _DTYPES[values.dtype.str[1:]],
                "shape": list(values.shape[1:]) or [1],
                "names": list((names or {}).get(name, [])) or None,
            }
            for name, values in table.items()
        },
    }
    if layout:
        info["mstool"] = {"layout": layout, "units": {name: list(unit) for name, unit in (units or {}).items()}}
    (root / "meta").mkdir(parents=True, exist_ok=True)
    (root / INFO_FILE).write_text(json.dumps(info, indent=2), encoding="utf-8")
    return root


def _write(path: Path, table: Columns) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: _arrow(values) for name, values in table.items()}), path)


def _arrow(values: npt.NDArray[np.generic]) -> pa.Array:
    array = pa.array(np.ascontiguousarray(values).ravel())
    for length in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, int(length))
    return array
