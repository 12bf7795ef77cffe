"""Forward kinematics, so that joint states can be compared with end effector actions, and joint limits."""

import numpy as np

from mstool.contract import Array
from mstool.robots import Robot


def tool_centre(robot: Robot, joints: Array) -> tuple[Array, Array]:
    """Return the tool centre point in the robot's base frame.

    Parameters
    ----------
    robot
        Whose joints they are.
    joints
        Joint positions (T, J) of its arm, rad.

    Returns
    -------
    Position (T, 3) m, and rotation matrices (T, 3, 3).

    """
    joints = np.asarray(joints, np.float64)
    pose = np.broadcast_to(np.eye(4), (len(joints), 4, 4))
    for i, link in enumerate(robot.links):
        pose = pose @ _link(joints[:, i], link.a, link.d, link.alpha)
    pose = pose @ _link(np.full(len(joints), robot.tool_turn), 0.0, robot.tool_m, 0.0)
    return pose[:, :3, 3], pose[:, :3, :3]


def _link(theta: Array, a: float, d: float, alpha: float) -> Array:
    cos, sin, zero = np.cos(theta), np.sin(theta), np.zeros_like(theta)
    ca, sa = np.cos(alpha), np.sin(alpha)
    rows = [
        [cos, -sin, zero, zero + a],
        [sin * ca, cos * ca, zero - sa, zero - sa * d],
        [sin * sa, cos * sa, zero + ca, zero + ca * d],
        [zero, zero, zero, zero + 1.0],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def limits(robot: Robot, slack: float = 0.05) -> tuple[Array, Array]:
    """Return the arm's lower and upper joint limits (J,) rad, widened by `slack`."""
    return np.array(robot.lower) - slack, np.array(robot.upper) + slack


def share_within_limits(robot: Robot, joints: Array) -> float:
    """Return the share of rows (T, J) within all of the robot's widened joint limits."""
    lower, upper = limits(robot)
    inside = (joints >= lower) & (joints <= upper)
    return float(inside.all(axis=1).mean()) if len(joints) else 0.0
