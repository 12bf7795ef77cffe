"""`native`: any robot, its own joints and its own actions."""

import re
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mstool.contract import Array, RobotFacts, RobotTrack
from mstool.errors import UsageError
from mstool.layouts.base import Camera, Layout, VectorMeaning
from mstool.layouts.controller import Controller
from mstool.layouts.facts import ActionFacts
from mstool.layouts.maniskill import JointLayout

# What a view may be called: columns and files are called after it.
_COLUMN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# ManiSkill's names of the arms whose joints and actions this layout is, too.
_JOINT, _PANDAS = JointLayout(), ("panda", "panda_wristcam")


class NativeLayout(Layout):
    """State: all of the robot's joints. Action: as the demo's own control mode takes it.

    Names, units and widths are the robot's: they are known once it is there (`bound`).
    """

    name = "native"
    summary = "any robot: its own joints, its own actions in any control mode; for training and evaluation in ManiSkill"
    owner = "the robot"
    robot = None
    cameras = (
        Camera("base", "image", "observation.images.image"),
        Camera("wrist", "wrist_image", "observation.images.image2"),
    )
    image_size = (256, 256)
    conventions: ClassVar[dict[str, str]] = {
        "state": "qpos of every joint in ManiSkill's order; the pose of a free base (humanoids) is not in it",
        "action": "as ManiSkill executes it in the control mode",
        "several_robots": "one after the other, sorted by ManiSkill's key, which every name carries; wrist_left is the "
        "first one's, wrist_right the second one's",
        "views": "any that the environment has: base, base2, wrist, wrist_left, wrist_right, its own cameras by name",
    }

    def __init__(self, robot: RobotFacts | None = None) -> None:
        self._robot = robot
        self.state = VectorMeaning(robot.joints, robot.joint_units) if robot else VectorMeaning((), ())

    def bound(self, robot: RobotFacts) -> "NativeLayout":
        """Return this layout with the names of `robot`."""
        return NativeLayout(robot)

    def meant_as(self, robot: str, control_mode: str) -> Layout:
        """Return `joint` for a lone Panda in a control mode of its: fingers apart, the numbers are the same."""
        return _JOINT if robot in _PANDAS and control_mode in _JOINT.control_modes else self

    def camera(self, view: str) -> Camera | None:
        """Return the camera of any view, which gives its columns their name; None where no column can be called so."""
        named = Camera(view, f"{view}_image", f"observation.images.{view}")
        return super().camera(view) or (named if _COLUMN.fullmatch(view) else None)

    def action(self, control_mode: str) -> VectorMeaning:  # noqa: ARG002
        """Return the robot's names and units, those of the control mode it was asked in."""
        return VectorMeaning(self._robot.actions, self._robot.action_units) if self._robot else VectorMeaning((), ())

    def action_facts(self, control_mode: str, controller: Mapping[str, float] | None = None) -> ActionFacts:  # noqa: ARG002
        """Raise UsageError: what single dimensions do is the robot's, and not known here."""
        raise UsageError(
            f"layout {self.name!r} does not say what a robot's own actions do",
            fix="use a layout that is made for one robot (mstool layouts)",
        )

    def encode_state(self, track: RobotTrack) -> Array:
        """Return qpos (T, J)."""
        return track.qpos.astype(np.float32)

    def encode_action(self, actions: Array, controller: Controller, control_mode: str) -> Array:  # noqa: ARG002
        """Return the actions as they are."""
        return np.asarray(actions, np.float32)

    def decode_action(self, actions: Array, controller: Controller, control_mode: str) -> Array:  # noqa: ARG002
        """Return the actions as they are."""
        return np.asarray(actions, np.float32)
