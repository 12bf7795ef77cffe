"""What a layout is: the meaning of state, actions and cameras, and the way back."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from mstool.contract import Array, ControllerFacts, RobotFacts, RobotTrack
from mstool.errors import UsageError


@dataclass(frozen=True)
class Camera:
    """One view and the names under which the two formats store it."""

    view: str  # as in `mstool.simulation.cameras`
    openpi: str
    lerobot: str


@dataclass(frozen=True)
class Vector:
    """The meaning of one vector: a name and a unit per dimension."""

    names: tuple[str, ...]
    units: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse names and units that do not pair up."""
        assert len(self.names) == len(self.units), "one unit per name"

    def __len__(self) -> int:
        """Return the number of dimensions."""
        return len(self.names)


class Layout(ABC):
    """A convention for one robot's state and actions, with its exact inverse.

    A subclass declares the tables below and implements three functions. Conversion executes
    `decode_action(encode_action(a))` and stores `encode_action(a)`: what was executed is decoded to the bit. That is a
    fixed point: encoded again it is the same stored action.
    """

    # Its name on the command line and in a dataset's record.
    name: str
    # One sentence for `mstool layouts`.
    summary: str
    state: Vector
    # The control modes in which the layout can be executed; the first is the default. Empty: any, as the demo has.
    control_modes: tuple[str, ...] = ()
    cameras: tuple[Camera, ...]
    # (height, width) in pixels.
    image_size: tuple[int, int]
    # Convention in words, one line each, for people and for a dataset's record.
    conventions: ClassVar[dict[str, str]]
    # openpi's (v2.1) columns for the state: name and the dimensions it holds.
    openpi_state: tuple[tuple[str, slice], ...] = (("state", slice(None)),)

    def bound(self, robot: RobotFacts) -> "Layout":  # noqa: ARG002
        """Return the layout with names of `robot`; most layouts are made for one robot and stay as they are."""
        return self

    def check_robot(self, robot: RobotFacts) -> None:
        """Raise UsageError unless the layout is made for this robot: a Panda, where a layout does not override it."""
        if robot.joint_units != PANDA_JOINT_UNITS:
            raise UsageError(
                f"layout {self.name!r} is made for a Panda, seven arm joints and two fingers; this robot has "
                f"{len(robot.joints)} joints: {', '.join(robot.joints)}",
                fix="use --layout native: the robot's own joints and actions",
            )

    def allows(self, control_mode: str) -> bool:
        """Tell whether the layout can be executed in `control_mode`."""
        return not self.control_modes or control_mode in self.control_modes

    @abstractmethod
    def action(self, control_mode: str) -> Vector:
        """Return names and units of the action, for one of `control_modes`."""

    @abstractmethod
    def encode_state(self, track: RobotTrack) -> Array:
        """Return the state (T, S), float32, of a whole episode."""

    @abstractmethod
    def encode_action(self, actions: Array, facts: ControllerFacts, control_mode: str) -> Array:
        """Turn ManiSkill actions (T, A), clipped as the controller clips them, into the layout's (T, D), float32."""

    @abstractmethod
    def decode_action(self, actions: Array, facts: ControllerFacts, control_mode: str) -> Array:
        """Turn the layout's actions (T, D), taken as float32, back into ManiSkill's (T, A), float32."""

    def describe(self) -> dict[str, object]:
        """Return the whole declaration as plain JSON data."""
        return {
            "name": self.name,
            "summary": self.summary,
            "state": asdict(self.state),
            "actions": {mode: asdict(self.action(mode)) for mode in self.control_modes},
            "cameras": [asdict(camera) for camera in self.cameras],
            "image_size": list(self.image_size),
            "conventions": self.conventions,
        }

    def check_control_mode(self, control_mode: str) -> None:
        """Raise UsageError unless the layout can be executed in `control_mode`."""
        if not self.allows(control_mode):
            raise UsageError(
                f"layout {self.name!r} has no meaning in control mode {control_mode!r}",
                fix=f"use --control-mode {self.control_modes[0]}",
            )


# Measured on ManiSkill's Panda, steady motion in free space, for end effector and joint deltas alike.
REACH = (
    "a delta is a target from where the arm is, not the motion: the controller reaches about 0.39 of it within the "
    "step, so the sum of actions overshoots the path about 2.5 times"
)
PANDA_JOINTS = tuple(f"joint_{i}" for i in range(1, 8))
PANDA_JOINT_UNITS = (*["rad"] * 7, "m", "m")


def clip_ee_delta(actions: Array) -> Array:
    """Clip actions (T, 7) as `PDEEPoseController` does: position and gripper by value, rotation by norm."""
    clipped = np.array(actions, np.float64)
    clipped[:, :3] = np.clip(clipped[:, :3], -1, 1)
    norm = np.linalg.norm(clipped[:, 3:6], axis=1, keepdims=True)
    clipped[:, 3:6] /= np.maximum(norm, 1)
    clipped[:, 6:] = np.clip(clipped[:, 6:], -1, 1)
    return clipped


def tcp_or_fail(track: RobotTrack, layout: str) -> Array:
    """Return the tcp poses (T, 7), or say that this robot has none."""
    if not np.isfinite(track.tcp_pose).all():
        raise UsageError(
            f"layout {layout!r} needs the pose of a tool centre point, which this robot does not report",
            fix="use --layout native: the robot's own joints and actions",
        )
    return track.tcp_pose.astype(np.float64)
