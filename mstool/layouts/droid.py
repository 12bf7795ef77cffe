"""`droid`: what pi05_droid expects, joint state and joint velocity (or position) actions."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mstool.contract import Array, RobotTrack
from mstool.layouts.base import REACH, Camera, PhysicalLayout, VectorMeaning
from mstool.layouts.command import Command, Units
from mstool.layouts.facts import ActionFacts, Closure, Gripper
from mstool.layouts.openpi import DROID_DATA
from mstool.robots import PANDA

# DROID's joint velocity action (openpi 15a9616, examples/droid): 1.0 is 0.2 rad per step at 15 Hz, 3 rad/s.
RAD_PER_SECOND_PER_UNIT = 0.2 * 15
_VELOCITY = "pd_joint_delta_pos"
_GRIPPER = Gripper(7, open=0.0, closed=1.0)


class DroidLayout(PhysicalLayout):
    """State: 7 joints and gripper closure. Action: joint velocity or position, and gripper closure."""

    name = "droid"
    summary = "joints + gripper closure; joint velocities (or positions); three 180x320 views; what pi05_droid reads"
    owner = "DROID"
    state = VectorMeaning((*PANDA.joints, "gripper"), (*["rad"] * 7, "0 open .. 1 closed"))
    state_kind = "joints"
    fingers = Closure(7, open_m=PANDA.finger_open_m)
    control_modes = (_VELOCITY, "pd_joint_pos")
    cameras = (
        Camera("base", "exterior_image_1_left", "observation.images.exterior_1_left"),
        Camera("base2", "exterior_image_2_left", "observation.images.exterior_2_left"),
        Camera("wrist", "wrist_image_left", "observation.images.wrist_left"),
    )
    image_size = (180, 320)
    openpi_state = (("joint_position", slice(0, 7)), ("gripper_position", slice(7, 8)))
    openpi = DROID_DATA
    conventions: ClassVar[dict[str, str]] = {
        "action_joints": "pd_joint_delta_pos: commanded velocity, 1.0 = 3 rad/s, 0.2 rad per step at 15 Hz; "
        "pd_joint_pos: rad",
        "action_reach": f"pd_joint_delta_pos: {REACH}",
        "gripper_state": "measured, 0 open .. 1 closed",
        "gripper_action": "commanded, 0 open .. 1 closed",
        "fps": "20 Hz here, 15 Hz in DROID: velocities keep their physical value, a step is 0.05 s here, 0.067 s there",
    }

    def action(self, control_mode: str) -> VectorMeaning:
        """Return the eight names and units."""
        self.check_control_mode(control_mode)
        if control_mode != _VELOCITY:
            return VectorMeaning((*PANDA.joints, "gripper"), (*["rad"] * 7, "0 open .. 1 closed"))
        names = tuple(f"{joint}_velocity" for joint in PANDA.joints)
        return VectorMeaning((*names, "gripper"), (*["3 rad/s"] * 7, "0 open .. 1 closed"))

    def action_facts(self, control_mode: str, controller: Mapping[str, float] | None = None) -> ActionFacts:  # noqa: ARG002
        """Return DROID's units, whatever the simulator's are."""
        self.check_control_mode(control_mode)
        if control_mode != _VELOCITY:
            return ActionFacts("joint_position", _GRIPPER)
        return ActionFacts("joint_delta", _GRIPPER, joint_rad_per_s=RAD_PER_SECOND_PER_UNIT)

    def encode_state(self, track: RobotTrack) -> Array:
        """Return (T, 8): joints rad, closure of the mean finger."""
        closure = 1 - track.qpos[:, 7:9].mean(axis=1, keepdims=True) / PANDA.finger_open_m
        return np.concatenate([track.qpos[:, :7], np.clip(closure, 0, 1)], axis=1).astype(np.float32)

    def store(self, command: Command, control_mode: str) -> Array:
        """Return joints, as velocities where they are steps, and closure = (1 - gripper) / 2."""
        assert command.joints is not None
        joints = command.joints
        if control_mode == _VELOCITY:
            joints = joints * _velocity(command.units)
        return np.concatenate([joints, (1 - command.gripper) / 2], axis=1).astype(np.float32)

    def command(self, actions: Array, units: Units, control_mode: str) -> Command:
        """Invert `store`."""
        joints = actions[:, :7]
        if control_mode == _VELOCITY:
            joints = joints / _velocity(units)
        return Command(units, 1 - 2 * actions[:, 7:], joints=joints)


def _velocity(units: Units) -> float:
    """Return the stored velocity of a joint that moves by 1.0 in a step."""
    return units.joint_rad * units.fps / RAD_PER_SECOND_PER_UNIT
