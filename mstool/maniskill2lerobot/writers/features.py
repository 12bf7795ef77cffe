"""Feature tables of a dataset, as the dataset's description and the parquet schema want them."""

import json
from typing import Any

import pyarrow as pa

from mstool.contract import Storage, Version
from mstool.dataset.column_names import GOAL_COLUMN
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.pictures.video import CODEC_NAME, ENCODER, EXTRA_OPTIONS, PIX_FMT

_INDEX = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
_ARROW = {"float32": pa.float32(), "int64": pa.int64()}
GOAL_NAMES = ("goal_x", "goal_y", "goal_z")

type Features = dict[str, dict[str, Any]]


def vector_columns(recipe: Recipe, version: Version) -> dict[str, tuple[str, slice]]:
    """Map a dataset's vector columns to the shard's arrays: {column: (array, dimensions)}."""
    goal = {"goal": ("goal", slice(None))} if recipe.goal == "state" else {}
    if version == "v3.0":
        state = {"observation.state": ("state", slice(None))}
        goal = {GOAL_COLUMN: goal["goal"]} if goal else {}
        return {**state, **goal, "action": ("action", slice(None))}
    state = {column: ("state", part) for column, part in recipe.layout.openpi_state}
    return {**state, **goal, "actions": ("action", slice(None))}


def camera_columns(recipe: Recipe, version: Version) -> dict[str, str]:
    """Map a dataset's camera columns to views: {column: view}."""
    return {(camera.lerobot if version == "v3.0" else camera.openpi): camera.view for camera in recipe.cameras}


def features(recipe: Recipe, version: Version, storage: Storage, fps: int) -> Features:
    """Return the description's feature table: dtype, shape and names per column."""
    layout = recipe.layout
    names = {"state": layout.state.names, "action": layout.action(recipe.control_mode).names, "goal": GOAL_NAMES}
    table: Features = {}
    for column in camera_columns(recipe, version):
        height, width = recipe.image_size
        table[column] = {
            "dtype": storage,
            "shape": [height, width, 3],
            "names": ["height", "width", "channels" if version == "v3.0" else "channel"],
        }
        if storage == "video":
            table[column]["info"] = _video_info(height, width, version, fps)
    for column, (array, part) in vector_columns(recipe, version).items():
        chosen = list(names[array][part])
        table[column] = {"dtype": "float32", "shape": [len(chosen)], "names": chosen}
    for column, dtype in _INDEX.items():
        table[column] = {"dtype": dtype, "shape": [1], "names": None}
    return table


def units(recipe: Recipe, version: Version) -> dict[str, list[str]]:
    """Return the unit of every dimension of every vector column."""
    layout = recipe.layout
    table = {"state": layout.state.units, "action": layout.action(recipe.control_mode).units, "goal": ("m",) * 3}
    return {column: list(table[array][part]) for column, (array, part) in vector_columns(recipe, version).items()}


def arrow_schema(table: Features, version: Version) -> pa.Schema:
    """Return the parquet schema, with the `huggingface` metadata that `datasets` reads types from.

    `datasets` 3.6, which openpi pins, knows a list of fixed length as `Sequence`; `datasets` >= 4 calls it `List`.
    """
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
            types[name] = {"feature": value, "length": size, "_type": "List" if version == "v3.0" else "Sequence"}
    return pa.schema(columns, {"huggingface": json.dumps({"info": {"features": types}})})


def _video_info(height: int, width: int, version: Version, fps: int) -> dict[str, Any]:
    """Return what LeRobot's `get_video_info` (0.6.1) says of our videos; it encodes edited ones by these numbers."""
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": CODEC_NAME,
        "video.pix_fmt": PIX_FMT,
        "video.fps": fps,
        "video.channels": 3,
        "has_audio": False,
        **{f"video.{name}": value for name, value in ENCODER.items()},
        "video.fast_decode": 0,
        "video.video_backend": "pyav",
        "video.extra_options": dict(EXTRA_OPTIONS),
        "is_depth_map" if version == "v3.0" else "video.is_depth_map": False,
    }
