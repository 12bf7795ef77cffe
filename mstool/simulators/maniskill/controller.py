"""ManiSkill's controllers: from their normalised actions to a command, and back.

Signs and scales are theirs, as `ControllerFacts` has them from the controller itself: +1 opens the gripper, positions
and joints move by a scale per 1.0, and rotations are Euler XYZ angles times `rotation_rad`, which is negative.
"""

import numpy as np

from mstool.contract import Array
from mstool.layouts.command import Command
from mstool.layouts.controller import Controller
from mstool.layouts.facts import ActionKind
from mstool.layouts.rotations import axis_angle_to_quat, euler_xyz_to_quat, quat_to_axis_angle, quat_to_euler_xyz

# What is executed of an end effector's step lies on this grid, of a unit of ManiSkill's action (2e-8 m or rad): twice
# as coarse as float32's rounding of a stored action, which mixes the axes of a rotation, can move it. So storing
# changes no bit of it.
GRID = 2.0**-22


class ManiSkillController(Controller):
    """ManiSkill's `PDEEPoseController` and `PDJointPosController`."""

    def command(self, actions: Array, kind: ActionKind) -> Command:
        """Say what a controller does on actions (T, A), clipped as it clips them."""
        if kind == "ee_delta":
            # Towards zero: what was clipped to a norm of 1 does not come to lie above it.
            executed = np.trunc(_clip_ee_delta(actions) / GRID) * GRID
            turn = quat_to_axis_angle(euler_xyz_to_quat(executed[:, 3:6] * self.facts.rotation_rad))
            return Command(self.units, executed[:, 6:], position=executed[:, :3], turn=turn)
        actions = np.array(actions, np.float64)
        joints, gripper = actions[:, :-1], np.clip(actions[:, -1:], -1, 1)
        if kind == "joint_delta":
            joints = np.clip(joints, -1, 1)
        return Command(self.units, gripper, joints=joints)

    def actions(self, command: Command) -> Array:
        """Return the actions (T, A), float32, on which a controller does what `command`, in its units, says."""
        if command.joints is not None:
            return np.concatenate([command.joints, command.gripper], axis=1).astype(np.float32)
        assert command.position is not None
        assert command.turn is not None
        euler = quat_to_euler_xyz(axis_angle_to_quat(command.turn))
        executed = np.concatenate([command.position, euler / self.facts.rotation_rad, command.gripper], axis=1)
        return (np.round(executed / GRID) * GRID + 0.0).astype(np.float32)  # + 0.0: one zero, without a sign


def _clip_ee_delta(actions: Array) -> Array:
    """Clip actions (T, 7) as `PDEEPoseController` does: position and gripper by value, rotation by norm."""
    clipped = np.array(actions, np.float64)
    clipped[:, :3] = np.clip(clipped[:, :3], -1, 1)
    norm = np.linalg.norm(clipped[:, 3:6], axis=1, keepdims=True)
    clipped[:, 3:6] /= np.maximum(norm, 1)
    clipped[:, 6:] = np.clip(clipped[:, 6:], -1, 1)
    return clipped
