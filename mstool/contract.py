"""THE table: what every array is called, and its shape, dtype, unit and range.

Frame t holds the observation *before* action t: an episode of T actions has T frames, the last observation is dropped.
fps is the simulator's control frequency.

========================  ==========  =======  ==============================================================
array                     shape       dtype    meaning
========================  ==========  =======  ==============================================================
image (each view)         (H, W, 3)   uint8    RGB, upright, not mirrored
qpos                      (T, J)      float32  joint positions: rad, fingers m
tcp_pose                  (T, 7)      float32  tool centre point in the world: m, quaternion wxyz
maniskill action          (T, A)      float32  as the control mode executes it
state                     (T, 8)      float32  as the layout says (`mstool.layouts`); `native`: (T, J)
action                    (T, D)      float32  as the layout says (`mstool.layouts`)
goal                      (T, 3)      float32  goal marker in the world, m; only with `--goal state`
timestamp                 (T,)        float32  frame_index / fps, s
frame_index               (T,)        int64    0 .. T-1 within the episode
episode_index             (T,)        int64    0 .. E-1, in demo order
index                     (T,)        int64    0 .. N-1 over the dataset
task_index                (T,)        int64    position of the instruction in the task table
========================  ==========  =======  ==============================================================
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

type Array = np.ndarray[Any, np.dtype[Any]]
# An environment's state: {"actors": {name: (13,)}, "articulations": {name: (n,)}} in ManiSkill.
type State = Mapping[str, Mapping[str, Array]]

# What becomes of goal markers that ManiSkill hides from cameras: drawn, left out, or left out and stored as a column.
Goal = Literal["visible", "hidden", "state"]
# Whether pictures are rendered from the demo executed again, taken from its file, or rendered from its file's states.
Observations = Literal["replayed", "recorded", "states"]
# ManiSkill's own meshes, or a simplified robot and floor.
RenderDetail = Literal["full", "fast"]
# How pictures are kept: MP4 files, or PNGs in parquet.
Storage = Literal["video", "image"]
# How videos are encoded: H.264 4:4:4, which keeps the colour of small objects, or 4:2:0, which everything plays.
VideoProfile = Literal["exact", "portable"]
PIX_FMTS: Mapping[VideoProfile, str] = {"exact": "yuv444p", "portable": "yuv420p"}
# LeRobot's dataset formats.
Version = Literal["v3.0", "v2.1"]

INDEX_COLUMNS = ("timestamp", "frame_index", "episode_index", "index", "task_index")


@dataclass(frozen=True)
class RobotReading:
    """The robot at one moment: qpos (J,) rad and m; tcp_pose (7,) m and quaternion wxyz, in the world."""

    qpos: Array
    tcp_pose: Array


@dataclass(frozen=True)
class RobotTrack:
    """The robot over an episode: qpos (T, J) rad and m; tcp_pose (T, 7) m and quaternion wxyz, in the world."""

    qpos: Array
    tcp_pose: Array


@dataclass(frozen=True)
class RobotFacts:
    """What a robot's numbers are called: one name and unit per joint (order of qpos) and per action dimension."""

    joints: tuple[str, ...]
    joint_units: tuple[str, ...]
    actions: tuple[str, ...]
    action_units: tuple[str, ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Iterable[str]]) -> "RobotFacts":
        """Read what `as_dict` gave, after a trip through JSON."""
        return cls(**{name: tuple(values) for name, values in data.items()})

    def as_dict(self) -> dict[str, list[str]]:
        """Return plain JSON data."""
        return {name: list(values) for name, values in asdict(self).items()}


@dataclass(frozen=True)
class ControllerFacts:
    """What one unit of a ManiSkill action does, as read from the controller itself.

    A field is 0 where the control mode has no such part. `rotation_rad` carries the sign with which the controller
    turns: ManiSkill 3.0.1 multiplies by `rot_lower` = -0.1, so a positive action turns negatively.
    """

    fps: int
    # Metres per 1.0 of an end effector's position action.
    position_m: float = 0.0
    # Radians (Euler XYZ, base frame) per 1.0 of an end effector's rotation action.
    rotation_rad: float = 0.0
    # Radians per 1.0 of a joint delta action.
    joint_rad: float = 0.0
    # Finger targets at gripper action -1 and +1.
    finger_closed_m: float = 0.0
    finger_open_m: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Return the fields for the dataset's record."""
        return asdict(self)


@dataclass(frozen=True)
class CameraFacts:
    """Where a camera is and how it projects, by OpenCV's axes: x to the picture's right, y down, z into the scene."""

    # The robot's link that carries it; empty for one that stands still.
    mount: str
    # (3,) m, in the world or in the link's frame.
    position: tuple[float, ...]
    # (3, 3): columns are the camera's axes in the world, or in the link's frame.
    rotation: tuple[tuple[float, ...], ...]
    # Focal lengths and principal point (x, y), px.
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for the dataset's record."""
        return asdict(self)
