"""What a layout is: the meaning of state, actions and cameras, and the way back."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from mstool.contract import Array, RobotFacts, RobotTrack
from mstool.errors import UsageError
from mstool.layouts.command import Command, Units
from mstool.layouts.controller import Controller
from mstool.layouts.facts import ActionFacts, Fingers, StateKind
from mstool.layouts.openpi import OpenpiUse
from mstool.robots import PANDA, Robot


@dataclass(frozen=True)
class Camera:
    """One view and the names under which the two formats store it."""

    view: str  # `base`, `wrist`, ...
    openpi: str
    lerobot: str


@dataclass(frozen=True)
class VectorMeaning:
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

    A subclass declares the tables below and implements the functions. Conversion executes
    `decode_action(encode_action(a))` and stores `encode_action(a)`: what was executed is decoded to the bit. That is a
    fixed point: encoded again it is the same stored action.

    Whoever reads, checks or trains on a dataset asks its layout; nothing outside this package knows one by its name.
    """

    # Its name on the command line and in a dataset's record.
    name: str
    # One sentence for `mstool layouts`.
    summary: str
    # Whose units and senses its actions have, as a report names them.
    owner: str
    # The robot that it is made for; None for any.
    robot: Robot | None = PANDA
    state: VectorMeaning
    # What the state begins with, where single dimensions have a meaning, and how the fingers follow.
    state_kind: StateKind | None = None
    fingers: Fingers | None = None
    # Whether the state needs the pose of a tool centre point.
    needs_tcp: bool = False
    # The control modes in which the layout can be executed; the first is the default. Empty: any, as the demo has.
    control_modes: tuple[str, ...] = ()
    cameras: tuple[Camera, ...]
    # (height, width) in pixels.
    image_size: tuple[int, int]
    # Convention in words, one line each, for people and for a dataset's record.
    conventions: ClassVar[dict[str, str]]
    # openpi's (v2.1) columns for the state: name and the dimensions it holds.
    openpi_state: tuple[tuple[str, slice], ...] = (("state", slice(None)),)
    # Whether its units are its own, whichever controller executes them.
    physical: ClassVar[bool] = False
    # How openpi trains on it; None where it does not.
    openpi: OpenpiUse | None = None

    def meant_as(self, robot: str, control_mode: str) -> "Layout":  # noqa: ARG002
        """Return the layout that says what a dataset's single dimensions are; most say it themselves."""
        return self

    def bound(self, robot: RobotFacts) -> "Layout":  # noqa: ARG002
        """Return the layout with names of `robot`; most layouts are made for one robot and stay as they are."""
        return self

    def check_robot(self, robot: RobotFacts) -> None:
        """Raise UsageError unless the layout is made for this robot, by the units of its joints."""
        if self.robot is not None and robot.joint_units != self.robot.qpos_units:
            raise UsageError(
                f"layout {self.name!r} is made for {self.robot.described}; this robot has "
                f"{len(robot.joints)} joints: {', '.join(robot.joints)}",
                fix="use --layout native: the robot's own joints and actions",
                change={"--layout": "native"},
            )

    def camera(self, view: str) -> Camera | None:
        """Return the camera of a view; None for one that the layout has no name for."""
        return next((camera for camera in self.cameras if camera.view == view), None)

    def cameras_of(self, views: Collection[str]) -> tuple[Camera, ...]:
        """Return the cameras of `views`: the layout's own first; one that it has no name for is left out."""
        own = [camera.view for camera in self.cameras if camera.view in views]
        found = (self.camera(view) for view in (*own, *(view for view in views if view not in own)))
        return tuple(camera for camera in found if camera is not None)

    def allows(self, control_mode: str) -> bool:
        """Tell whether the layout can be executed in `control_mode`."""
        return not self.control_modes or control_mode in self.control_modes

    @abstractmethod
    def action(self, control_mode: str) -> VectorMeaning:
        """Return names and units of the action, for one of `control_modes`."""

    @abstractmethod
    def action_facts(self, control_mode: str, controller: Mapping[str, float] | None = None) -> ActionFacts:
        """Return kind, sizes and gripper of the action, for one of `control_modes`.

        `controller` is a dataset's record of its `ControllerFacts`, for layouts whose sizes are the simulator's; what
        it lacks is the robot's known value.
        """

    @abstractmethod
    def encode_state(self, track: RobotTrack) -> Array:
        """Return the state (T, S), float32, of a whole episode."""

    @abstractmethod
    def encode_action(self, actions: Array, controller: Controller, control_mode: str) -> Array:
        """Turn a simulator's actions (T, A), clipped as it clips them, into the layout's (T, D), float32."""

    @abstractmethod
    def decode_action(self, actions: Array, controller: Controller, control_mode: str) -> Array:
        """Turn the layout's actions (T, D), taken as float32, back into the simulator's (T, A), float32."""

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
                change={"--control-mode": self.control_modes[0]},
            )


class PhysicalLayout(Layout):
    """A layout in metres and radians of its own, whichever simulator executes it."""

    physical = True

    @abstractmethod
    def store(self, command: Command, control_mode: str) -> Array:
        """Return the stored actions (T, D), float32, of a command in any units."""

    @abstractmethod
    def command(self, actions: Array, units: Units, control_mode: str) -> Command:
        """Return the command, in `units`, that stored actions (T, D), float64, are."""

    def encode_action(self, actions: Array, controller: Controller, control_mode: str) -> Array:
        """Store what the controller does."""
        self.check_control_mode(control_mode)
        return self.store(controller.command(actions, self.action_facts(control_mode).kind), control_mode)

    def decode_action(self, actions: Array, controller: Controller, control_mode: str) -> Array:
        """Have the controller do what is stored."""
        self.check_control_mode(control_mode)
        stored = np.asarray(actions, np.float32).astype(np.float64)
        return controller.actions(self.command(stored, controller.units, control_mode))


# Measured on ManiSkill's Panda, steady motion in free space, for end effector and joint deltas alike.
REACH = (
    f"a delta is a target from where the arm is, not the motion: the controller reaches about {PANDA.gain:g} of it "
    "within the step, so the sum of actions overshoots the path about 2.5 times"
)


def tcp_or_fail(track: RobotTrack, layout: str) -> Array:
    """Return the tcp poses (T, 7), or say that this robot has none."""
    if not np.isfinite(track.tcp_pose).all():
        raise UsageError(
            f"layout {layout!r} needs the pose of a tool centre point, which this robot does not report",
            fix="use --layout native: the robot's own joints and actions",
        )
    return track.tcp_pose.astype(np.float64)
