"""`libero`: what pi05_libero expects, end effector state and delta actions in LIBERO's sense and units."""

from typing import ClassVar

import numpy as np

from mstool.contract import Array, ControllerFacts, RobotTrack
from mstool.layouts.base import REACH, Camera, Layout, Vector, clip_ee_delta, tcp_or_fail
from mstool.layouts.rotations import (
    axis_angle_to_quat,
    continuous_axis_angle,
    euler_xyz_to_quat,
    quat_to_axis_angle,
    quat_to_euler_xyz,
)

# robosuite's OSC_POSE controller as LIBERO configures it: output_max 0.05 m and 0.5 rad at an input of 1.0.
METRES_PER_UNIT = 0.05
RADIANS_PER_UNIT = 0.5
GRIPPER_DOWN = (np.pi, 0.0, 0.0)
# What is executed lies on this grid, of a unit of ManiSkill's action (2e-8 m or rad): twice as coarse as float32's
# rounding of the stored action, which mixes the axes of a rotation, can move it. So storing changes no bit of it.
GRID = 2.0**-22


class LiberoLayout(Layout):
    """State: eef position, axis-angle, two fingers. Action: delta position, delta rotation, gripper."""

    name = "libero"
    summary = "eef pose + two fingers; eef deltas in LIBERO's units; what pi05_libero reads"
    state = Vector(
        ("x", "y", "z", "axis_angle_x", "axis_angle_y", "axis_angle_z", "finger_left", "finger_right"),
        ("m", "m", "m", "rad", "rad", "rad", "m", "m"),
    )
    control_modes = ("pd_ee_delta_pose",)
    cameras = (
        Camera("base", "image", "observation.images.image"),
        Camera("wrist", "wrist_image", "observation.images.image2"),
    )
    image_size = (256, 256)
    conventions: ClassVar[dict[str, str]] = {
        "state_frame": "world; tool centre point between the fingers",
        "rotation": "axis-angle, continuous within an episode, first frame on the branch closest to (pi, 0, 0)",
        "fingers": "left positive, right negative, as robosuite reports them",
        "action_position": "the step's target, base frame, 1.0 = 0.05 m away",
        "action_rotation": "the step's target, axis-angle about the base frame's axes, 1.0 = 0.5 rad away, positive "
        "turns positively",
        "action_reach": REACH,
        "gripper_action": "-1 open, +1 close",
    }
    _action = Vector(
        ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"),
        ("0.05 m", "0.05 m", "0.05 m", "0.5 rad", "0.5 rad", "0.5 rad", "-1 open, +1 close"),
    )

    def action(self, control_mode: str) -> Vector:
        """Return the seven names and units."""
        self.check_control_mode(control_mode)
        return self._action

    def encode_state(self, track: RobotTrack) -> Array:
        """Return (T, 8): position m, axis-angle rad, fingers (+, -) m."""
        pose = tcp_or_fail(track, self.name)
        turn = continuous_axis_angle(quat_to_axis_angle(pose[:, 3:]), np.array(GRIPPER_DOWN))
        fingers = track.qpos[:, -2:] * [1.0, -1.0]
        return np.concatenate([pose[:, :3], turn, fingers], axis=1).astype(np.float32)

    def encode_action(self, actions: Array, facts: ControllerFacts, control_mode: str) -> Array:
        """ManiSkill turns by Euler XYZ angles of `rotation_rad` * r; LIBERO by the rotation vector of the same turn."""
        self.check_control_mode(control_mode)
        # Towards zero: what was clipped to a norm of 1 does not come to lie above it.
        executed = np.trunc(clip_ee_delta(actions) / GRID) * GRID
        turn = quat_to_axis_angle(euler_xyz_to_quat(executed[:, 3:6] * facts.rotation_rad))
        return np.concatenate(
            [executed[:, :3] * (facts.position_m / METRES_PER_UNIT), turn / RADIANS_PER_UNIT, -executed[:, 6:]],
            axis=1,
        ).astype(np.float32)

    def decode_action(self, actions: Array, facts: ControllerFacts, control_mode: str) -> Array:
        """Invert `encode_action`."""
        self.check_control_mode(control_mode)
        actions = np.asarray(actions, np.float32).astype(np.float64)
        euler = quat_to_euler_xyz(axis_angle_to_quat(actions[:, 3:6] * RADIANS_PER_UNIT))
        executed = np.concatenate(
            [
                actions[:, :3] * (METRES_PER_UNIT / facts.position_m),
                euler / facts.rotation_rad,
                -actions[:, 6:],
            ],
            axis=1,
        )
        return (np.round(executed / GRID) * GRID + 0.0).astype(np.float32)  # + 0.0: one zero, without a sign
