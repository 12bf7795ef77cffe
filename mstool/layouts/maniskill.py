"""`joint` and `tcp`: ManiSkill's own numbers, for people who train and evaluate in ManiSkill alone."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mstool.contract import Array, RobotTrack
from mstool.layouts.base import REACH, Camera, Layout, VectorMeaning, tcp_or_fail
from mstool.layouts.controller import Controller
from mstool.layouts.facts import ActionFacts, ActionKind, Gripper, OneFinger
from mstool.layouts.openpi import LIBERO_DATA
from mstool.layouts.rotations import continuous_quat
from mstool.robots import PANDA

_GRIPPER = "+1 open, -1 close"
_EE = VectorMeaning(
    ("dx", "dy", "dz", "drx", "dry", "drz", "gripper"),
    ("0.1 m", "0.1 m", "0.1 m", "-0.1 rad", "-0.1 rad", "-0.1 rad", _GRIPPER),
)
_JOINTS = VectorMeaning((*PANDA.joints, "gripper"), (*["rad"] * 7, _GRIPPER))
_DELTAS = VectorMeaning((*[f"d{joint}" for joint in PANDA.joints], "gripper"), (*["0.1 rad"] * 7, _GRIPPER))
_ACTIONS: dict[str, tuple[VectorMeaning, ActionKind]] = {
    "pd_ee_delta_pose": (_EE, "ee_delta"),
    "pd_joint_pos": (_JOINTS, "joint_position"),
    "pd_joint_delta_pos": (_DELTAS, "joint_delta"),
}
# The parts of `ControllerFacts` that are sizes of an action.
_SIZES = ("position_m", "rotation_rad", "joint_rad")


class _ManiSkillActions(Layout):
    """Actions stay as ManiSkill executes them."""

    owner = "ManiSkill"
    control_modes = tuple(_ACTIONS)
    cameras = (
        Camera("base", "image", "observation.images.image"),
        Camera("wrist", "wrist_image", "observation.images.image2"),
    )
    image_size = (256, 256)
    openpi = LIBERO_DATA

    def action(self, control_mode: str) -> VectorMeaning:
        """Return the names and units of ManiSkill's own action."""
        self.check_control_mode(control_mode)
        return _ACTIONS[control_mode][0]

    def action_facts(self, control_mode: str, controller: Mapping[str, float] | None = None) -> ActionFacts:
        """Return what the controller does on 1.0, by the dataset's record, else by what is known of the Panda's."""
        vector, kind = _ACTIONS[control_mode]
        known, recorded = PANDA.controllers[control_mode], controller or {}
        sizes = {name: float(recorded.get(name) or known.get(name, 0.0)) for name in _SIZES}
        return ActionFacts(kind, Gripper(len(vector) - 1, open=1.0, closed=-1.0), **sizes)

    def encode_action(self, actions: Array, controller: Controller, control_mode: str) -> Array:  # noqa: ARG002
        """Return the actions as they are."""
        self.check_control_mode(control_mode)
        return np.asarray(actions, np.float32)

    def decode_action(self, actions: Array, controller: Controller, control_mode: str) -> Array:  # noqa: ARG002
        """Return the actions as they are."""
        self.check_control_mode(control_mode)
        return np.asarray(actions, np.float32)


class JointLayout(_ManiSkillActions):
    """State: `qpos[:8]`."""

    name = "joint"
    summary = "qpos[:8]: seven joints and one finger; ManiSkill's own actions"
    state = VectorMeaning((*PANDA.joints, "finger"), (*["rad"] * 7, "m"))
    state_kind = "joints"
    fingers = OneFinger(7)
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
    state = VectorMeaning(("x", "y", "z", "qw", "qx", "qy", "qz", "finger"), ("m", "m", "m", "1", "1", "1", "1", "m"))
    state_kind = "eef_quaternion"
    fingers = OneFinger(7)
    needs_tcp = True
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
