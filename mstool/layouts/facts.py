"""What a layout's numbers are: kinds, sizes in metres and radians, the gripper's sense, how fingers appear.

A layout states these beside the names and units that people read. Validation, statistics and training ask them, so that
nothing outside `mstool.layouts` has to know a layout by its name.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mstool.contract import Array

# Position and axis-angle, position and quaternion (wxyz), or the arm's joints; the fingers come after them.
StateKind = Literal["eef_axis_angle", "eef_quaternion", "joints"]
# A step of the end effector, a step of the joints, or where the joints are to go.
ActionKind = Literal["ee_delta", "joint_delta", "joint_position"]

# A finger's position is never beyond this, m: the Panda's open 0.04 m each.
WIDEST_FINGER_M = 0.05


@dataclass(frozen=True)
class Gripper:
    """The gripper's command: its dimension, and the values that open and close it."""

    dimension: int
    open: float
    closed: float


@dataclass(frozen=True)
class ActionFacts:
    """The action of one control mode. A size is 0 where the kind of action has no such part."""

    kind: ActionKind
    gripper: Gripper
    # What 1.0 is: m and rad (about the base frame's axes) per step of the end effector.
    position_m: float = 0.0
    rotation_rad: float = 0.0
    # rad per step of a joint, or rad/s where the layout stores velocities.
    joint_rad: float = 0.0
    joint_rad_per_s: float = 0.0

    def joint_step(self, fps: float) -> float:
        """Return what 1.0 moves a joint by in one step at `fps`, rad."""
        return self.joint_rad_per_s / fps if self.joint_rad_per_s else self.joint_rad


class Fingers(ABC):
    """How fingers appear in the state."""

    @property
    @abstractmethod
    def ranges(self) -> dict[int, tuple[float, float]]:
        """{dimension of the state: least and greatest value}."""

    @abstractmethod
    def opening(self, state: Array) -> Array:
        """Return the distance between the fingers (T,) m, of a state (T, S) that has all of `ranges`."""


@dataclass(frozen=True)
class TwoFingers(Fingers):
    """The positions of two fingers side by side, m; as `signs` say, which negates the opposite finger in LIBERO."""

    first: int
    signs: tuple[int, int] = (1, 1)

    @property
    def ranges(self) -> dict[int, tuple[float, float]]:
        """0 to the widest, of either sign."""
        spans = {1: (0.0, WIDEST_FINGER_M), -1: (-WIDEST_FINGER_M, 0.0)}
        return {self.first + i: spans[sign] for i, sign in enumerate(self.signs)}

    def opening(self, state: Array) -> Array:
        """Add both up, whatever their signs."""
        both: Array = np.abs(state[:, self.first : self.first + 2]).sum(axis=1)
        return both


@dataclass(frozen=True)
class OneFinger(Fingers):
    """The position of one finger, or the mean of both, m."""

    dimension: int

    @property
    def ranges(self) -> dict[int, tuple[float, float]]:
        """0 to the widest."""
        return {self.dimension: (0.0, WIDEST_FINGER_M)}

    def opening(self, state: Array) -> Array:
        """Take the other finger to be as far out."""
        return 2 * state[:, self.dimension]


@dataclass(frozen=True)
class Closure(Fingers):
    """How far the gripper is closed: 0 open, 1 closed; open, each finger is `open_m` out."""

    dimension: int
    open_m: float

    @property
    def ranges(self) -> dict[int, tuple[float, float]]:
        """A share."""
        return {self.dimension: (0.0, 1.0)}

    def opening(self, state: Array) -> Array:
        """Return what is left of both fingers' way."""
        return (1 - state[:, self.dimension]) * 2 * self.open_m
