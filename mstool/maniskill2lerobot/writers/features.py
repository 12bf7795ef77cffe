"""A dataset's columns: which there are in a format, and what its description says of them."""

from typing import Any

from mstool.contract import Storage, Version
from mstool.dataset.column_names import GOAL_COLUMN
from mstool.dataset.formats import FORMATS
from mstool.dataset.formats.base import Features
from mstool.dataset.formats.rows import INDEX
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.pictures.profiles import CODEC_NAME, PROFILES, Profile

GOAL_NAMES = ("goal_x", "goal_y", "goal_z")


def vector_columns(recipe: Recipe, version: Version) -> dict[str, tuple[str, slice]]:
    """Map a dataset's vector columns to the shard's arrays: {column: (array, dimensions)}."""
    goal = {"goal": ("goal", slice(None))} if recipe.goal == "state" else {}
    if FORMATS[version].names == "lerobot":
        state = {"observation.state": ("state", slice(None))}
        goal = {GOAL_COLUMN: goal["goal"]} if goal else {}
        return {**state, **goal, "action": ("action", slice(None))}
    state = {column: ("state", part) for column, part in recipe.layout.openpi_state}
    return {**state, **goal, "actions": ("action", slice(None))}


def camera_columns(recipe: Recipe, version: Version) -> dict[str, str]:
    """Map a dataset's camera columns to views: {column: view}."""
    lerobot = FORMATS[version].names == "lerobot"
    return {(camera.lerobot if lerobot else camera.openpi): camera.view for camera in recipe.cameras}


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
            "names": ["height", "width", FORMATS[version].channels],
        }
        if storage == "video":
            table[column]["info"] = video_info(height, width, version, fps, PROFILES[recipe.video_profile])
    for column, (array, part) in vector_columns(recipe, version).items():
        chosen = list(names[array][part])
        table[column] = {"dtype": "float32", "shape": [len(chosen)], "names": chosen}
    for column, dtype in INDEX.items():
        table[column] = {"dtype": dtype, "shape": [1], "names": None}
    return table


def units(recipe: Recipe, version: Version) -> dict[str, list[str]]:
    """Return the unit of every dimension of every vector column."""
    layout = recipe.layout
    table = {"state": layout.state.units, "action": layout.action(recipe.control_mode).units, "goal": ("m",) * 3}
    return {column: list(table[array][part]) for column, (array, part) in vector_columns(recipe, version).items()}


def video_info(height: int, width: int, version: Version, fps: float, profile: Profile) -> dict[str, Any]:
    """Return what LeRobot's `get_video_info` (0.6.1) says of our videos; it encodes edited ones by these numbers."""
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": CODEC_NAME,
        "video.pix_fmt": profile.pix_fmt,
        "video.fps": fps,
        "video.channels": 3,
        "has_audio": False,
        **{f"video.{name}": value for name, value in profile.encoder.items()},
        "video.fast_decode": 0,
        "video.video_backend": "pyav",
        "video.extra_options": dict(profile.extra_options),
        FORMATS[version].is_depth: False,
    }
