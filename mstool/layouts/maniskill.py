"""`joint` and `tcp`: ManiSkill's own numbers, for people who train and evaluate in ManiSkill alone."""

from typing import ClassVar

import numpy as np

from mstool.contract import Array, ControllerFacts, RobotTrack
from mstool.layouts.base import PANDA_JOINTS, REACH, Camera, Layout, Vector, tcp_or_fail
from mstool.layouts.rotations import continuous_quat

_GRIPPER = "+1 open, -1 close"
_EE = Vector(
    ("dx", "dy", "dz", "drx", "dry", "drz", "gripper"),
    ("0.1 m", "0.1 m", "0.1 m", "-0.1 rad", "-0.1 rad", "-0.1 rad", _GRIPPER),
)
_JOINTS = Vector((*PANDA_JOINTS, "gripper"), (*["rad"] * 7, _GRIPPER))
_DELTAS = Vector((*[f"d{joint}" for joint in PANDA_JOINTS], "gripper"), (*["0.1 rad"] * 7, _GRIPPER))
_ACTIONS = {"pd_ee_delta_pose": _EE, "pd_joint_pos": _JOINTS, "pd_joint_delta_pos": _DELTAS}


class _ManiSkillActions(Layout):
    """Actions stay as ManiSkill executes them."""

    control_modes = tuple(_ACTIONS)
    cameras = (
        Camera("base", "image", "observation.images.image"),
        Camera("wrist", "wrist_image", "observation.images.image2"),
    )
    image_size = (256, 256)

    def action(self, control_mode: str) -> Vector:
        """Return the names and units of ManiSkill's own action."""
        self.check_control_mode(control_mode)
        return _ACTIONS[control_mode]

    def encode_action(self, actions: Array, facts: ControllerFacts, control_mode: str) -> Array:  # noqa: ARG002
        """Return the actions as they are."""
        self.check_control_mode(control_mode)
        return np.asarray(actions, np.float32)

    def decode_action(self, actions: Array, facts: ControllerFacts, control_mode: str) -> Array:  # noqa: ARG002
        """Return the actions as they are."""
        self.check_control_mode(control_mode)
        return np.asarray(actions, np.float32)


class JointLayout(_ManiSkillActions):
    """State: `qpos[:8]`."""

    name = "joint"
    summary = "qpos[:8]: seven joints and one finger; ManiSkill's own actions"
    state = Vector((*PANDA_JOINTS, "finger"), (*["rad"] * 7, "m"))
    conventions: ClassVar[dict[str, str]] = {
        "action": "as ManiSkill executes it: end effector rotation turns negatively for a positive action",
        "action_reach": f"pd_ee_delta_pose, pd_joint_delta_pos: {REACH}",
        "gripper_action": _GRIPPER,
    }

    def encode_state(self, track: RobotTrack) -> Array:
        """Return (T, 8): joints rad, left finger m."""
        return track.qpos[:, :8].astype(np.float32)


class TcpLayout(_ManiSkillActions):
    """State: tool centre point and mean finger."""

    name = "tcp"
    summary = "tcp position, quaternion wxyz, mean finger; ManiSkill's own actions"
    state = Vector(("x", "y", "z", "qw", "qx", "qy", "qz", "finger"), ("m", "m", "m", "1", "1", "1", "1", "m"))
    conventions: ClassVar[dict[str, str]] = {
        "rotation": "quaternion wxyz, sign continuous within an episode, first frame on the side of (0, 1, 0, 0)",
        "action": "as ManiSkill executes it: end effector rotation turns negatively for a positive action",
        "action_reach": f"pd_ee_delta_pose, pd_joint_delta_pos: {REACH}",
        "gripper_action": _GRIPPER,
    }

    def encode_state(self, track: RobotTrack) -> Array:
        """Return (T, 8): position m, quaternion wxyz, mean finger m."""
        pose = tcp_or_fail(track, self.name)
        quat = continuous_quat(pose[:, 3:], np.array([0.0, 1.0, 0.0, 0.0]))
        finger = track.qpos[:, 7:9].mean(axis=1, keepdims=True)
        return np.concatenate([pose[:, :3], quat, finger], axis=1).astype(np.float32)
