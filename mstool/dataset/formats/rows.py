"""An episode's rows as parquet holds them, in every format alike."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from mstool.contract import Array
from mstool.dataset.formats.base import EpisodeContent, Features
from mstool.dataset.info import NOT_NUMERIC

INDEX = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_ARROW = {
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    **{name: getattr(pa, name)() for n in (8, 16, 32, 64) for name in (f"int{n}", f"uint{n}")},
    "bool": pa.bool_(),
    "string": pa.string(),
}
# What a column can be. LeRobot's annotations in words, lists of structures that v3.0 alone knows, are none of these.
WRITABLE = frozenset({*_ARROW, "image", "video"})


def number_column(values: Array) -> pa.Array:
    """Return the arrow column of numbers (T,) or (T, D); one number per frame is a number, not a list."""
    values = np.ascontiguousarray(values)
    flat = pa.array(values.ravel())
    return flat if len(flat) == len(values) else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def png_column(pngs: list[bytes]) -> pa.Array:
    """Return the arrow column of pictures that are compressed already."""
    return png_struct(pa.array(pngs, pa.binary()), pa.array([f"frame-{k:06d}.png" for k in range(len(pngs))]))


def png_struct(stored: pa.Array, paths: pa.Array) -> pa.Array:
    """Return the arrow column of pictures of which bytes and names are columns."""
    return pa.StructArray.from_arrays([stored.cast(pa.binary()), paths.cast(pa.string())], fields=list(_PICTURE))


def episode_table(episode: EpisodeContent, schema: pa.Schema, *, index: int, first_row: int) -> pa.Table:
    """Return one episode's parquet rows, numbered."""
    length = episode.frames
    columns = {
        **episode.columns(),
        "episode_index": pa.array(np.full(length, index, np.int64)),
        "index": pa.array(np.arange(length, dtype=np.int64) + first_row),
    }
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


def numbers(table: pa.Table, features: Features) -> Mapping[str, Array]:
    """Return every numeric column of rows as (T, *shape); one number per frame as (T,)."""
    found: dict[str, Array] = {}
    for name, feature in features.items():
        if feature["dtype"] in NOT_NUMERIC:
            continue
        values = table.column(name).combine_chunks()
        while pa.types.is_nested(values.type):
            values = values.flatten()
        shape = tuple(feature["shape"]) if math.prod(feature["shape"]) > 1 else ()
        found[name] = values.to_numpy(zero_copy_only=False).reshape(len(table), *shape)
    return found


def arrow_schema(features: Features, list_type: str) -> pa.Schema:
    """Return the parquet schema, with the `huggingface` metadata that `datasets` reads types from."""
    columns: list[pa.Field] = []
    types: dict[str, Any] = {}
    for name, feature in features.items():
        dtype, shape = feature["dtype"], list(feature["shape"])
        if dtype == "video":
            continue
        if dtype == "image":
            columns.append(pa.field(name, _PICTURE))
            types[name] = {"_type": "Image"}
            continue
        value = {"dtype": dtype, "_type": "Value"}
        if shape == [1]:  # as LeRobot's own writer: one number per frame is a number, not a list
            columns.append(pa.field(name, _ARROW[dtype]))
            types[name] = value
        elif len(shape) == 1:
            columns.append(pa.field(name, pa.list_(_ARROW[dtype], shape[0])))
            types[name] = {"feature": value, "length": shape[0], "_type": list_type}
        else:
            nested = _ARROW[dtype]
            for _ in shape:
                nested = pa.list_(nested)
            kind = f"Array{len(shape)}D"
            # By which `datasets` knows its matrices; without it LeRobot's tools cannot edit them.
            known_as = {
                "ARROW:extension:name": f"datasets.features.features.{kind}ExtensionType",
                "ARROW:extension:metadata": json.dumps([shape, dtype]),
            }
            columns.append(pa.field(name, nested, metadata=known_as))
            types[name] = {"shape": shape, "dtype": dtype, "_type": kind}
    return pa.schema(columns, {"huggingface": json.dumps({"info": {"features": types}})})
