"""`droid`: what pi05_droid expects, joint state and joint velocity (or position) actions."""

from typing import ClassVar

import numpy as np

from mstool.contract import Array, ControllerFacts, RobotTrack
from mstool.layouts.base import PANDA_JOINTS, REACH, Camera, Layout, Vector

# DROID's joint velocity action: 1.0 is 0.2 rad per step at 15 Hz.
RAD_PER_SECOND_PER_UNIT = 0.2 * 15
FINGER_OPEN_M = 0.04


class DroidLayout(Layout):
    """State: 7 joints and gripper closure. Action: joint velocity or position, and gripper closure."""

    name = "droid"
    summary = "joints + gripper closure; joint velocities (or positions); three 180x320 views; what pi05_droid reads"
    state = Vector((*PANDA_JOINTS, "gripper"), (*["rad"] * 7, "0 open .. 1 closed"))
    control_modes = ("pd_joint_delta_pos", "pd_joint_pos")
    cameras = (
        Camera("base", "exterior_image_1_left", "observation.images.exterior_1_left"),
        Camera("base2", "exterior_image_2_left", "observation.images.exterior_2_left"),
        Camera("wrist", "wrist_image_left", "observation.images.wrist_left"),
    )
    image_size = (180, 320)
    openpi_state = (("joint_position", slice(0, 7)), ("gripper_position", slice(7, 8)))
    conventions: ClassVar[dict[str, str]] = {
        "action_joints": "pd_joint_delta_pos: commanded velocity, 1.0 = 3 rad/s, 0.2 rad per step at 15 Hz; "
        "pd_joint_pos: rad",
        "action_reach": f"pd_joint_delta_pos: {REACH}",
        "gripper_state": "measured, 0 open .. 1 closed",
        "gripper_action": "commanded, 0 open .. 1 closed",
        "fps": "20 Hz here, 15 Hz in DROID: velocities keep their physical value, a step is 0.05 s here, 0.067 s there",
    }

    def action(self, control_mode: str) -> Vector:
        """Return the eight names and units."""
        self.check_control_mode(control_mode)
        if control_mode == "pd_joint_pos":
            return Vector((*PANDA_JOINTS, "gripper"), (*["rad"] * 7, "0 open .. 1 closed"))
        names = tuple(f"{joint}_velocity" for joint in PANDA_JOINTS)
        return Vector((*names, "gripper"), (*["3 rad/s"] * 7, "0 open .. 1 closed"))

    def encode_state(self, track: RobotTrack) -> Array:
        """Return (T, 8): joints rad, closure of the mean finger."""
        closure = 1 - track.qpos[:, 7:9].mean(axis=1, keepdims=True) / FINGER_OPEN_M
        return np.concatenate([track.qpos[:, :7], np.clip(closure, 0, 1)], axis=1).astype(np.float32)

    def encode_action(self, actions: Array, facts: ControllerFacts, control_mode: str) -> Array:
        """Velocity = delta * joint_rad * fps / 3 rad/s; closure = (1 - g) / 2."""
        self.check_control_mode(control_mode)
        actions = np.array(actions, np.float64)
        actions[:, 7:] = (1 - np.clip(actions[:, 7:], -1, 1)) / 2
        if control_mode == "pd_joint_delta_pos":
            actions[:, :7] = np.clip(actions[:, :7], -1, 1) * _velocity_unit(facts)
        return actions.astype(np.float32)

    def decode_action(self, actions: Array, facts: ControllerFacts, control_mode: str) -> Array:
        """Invert `encode_action`."""
        self.check_control_mode(control_mode)
        actions = np.asarray(actions, np.float32).astype(np.float64)
        actions[:, 7:] = 1 - 2 * actions[:, 7:]
        if control_mode == "pd_joint_delta_pos":
            actions[:, :7] /= _velocity_unit(facts)
        return actions.astype(np.float32)


def _velocity_unit(facts: ControllerFacts) -> float:
    return facts.joint_rad * facts.fps / RAD_PER_SECOND_PER_UNIT
