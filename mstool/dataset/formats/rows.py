"""An episode's rows as parquet holds them, in every format alike."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from mstool.contract import Array
from mstool.dataset.formats.base import EpisodeContent, Features

INDEX = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
_ARROW = {"float32": pa.float32(), "int64": pa.int64()}


def episode_arrays(
    episode: EpisodeContent, *, index: int, first_row: int, task_index: int, fps: int
) -> dict[str, Array]:
    """Return every numeric column of one episode: vectors (T, D) float32 and the five index columns (T,)."""
    length = episode.frames
    frame = np.arange(length, dtype=np.int64)
    return {
        **episode.vectors(),
        # In double precision first: |dt - 1/fps| must stay below 1e-4 s however long the episode.
        "timestamp": (frame / fps).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.full(length, index, np.int64),
        "index": frame + first_row,
        "task_index": np.full(length, task_index, np.int64),
    }


def episode_table(episode: EpisodeContent, columns: dict[str, Array], schema: pa.Schema) -> pa.Table:
    """Return one episode's parquet rows; images become PNG structs where the schema has their columns."""
    arrays = []
    for field in schema:
        if field.name in columns:
            values = np.ascontiguousarray(columns[field.name])
            flat = pa.array(values.ravel())
            arrays.append(
                flat
                if len(flat) == len(values)
                else pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(field.type)
            )
        else:
            pngs = list(episode.pngs(field.name))
            names = [f"frame-{k:06d}.png" for k in range(len(pngs))]
            arrays.append(pa.StructArray.from_arrays([pa.array(pngs, pa.binary()), pa.array(names)], ["bytes", "path"]))
    return pa.table(arrays, schema=schema)


def arrow_schema(table: Features, list_type: str) -> pa.Schema:
    """Return the parquet schema, with the `huggingface` metadata that `datasets` reads types from."""
    columns: list[tuple[str, pa.DataType]] = []
    types: dict[str, Any] = {}
    for name, feature in table.items():
        if feature["dtype"] == "video":
            continue
        if feature["dtype"] == "image":
            columns.append((name, pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
            types[name] = {"_type": "Image"}
            continue
        value = {"dtype": feature["dtype"], "_type": "Value"}
        size = feature["shape"][0]
        if size == 1:  # as LeRobot's own writer: one number per frame is a number, not a list
            columns.append((name, _ARROW[feature["dtype"]]))
            types[name] = value
        else:
            columns.append((name, pa.list_(_ARROW[feature["dtype"]], size)))
            types[name] = {"feature": value, "length": size, "_type": list_type}
    return pa.schema(columns, {"huggingface": json.dumps({"info": {"features": types}})})
