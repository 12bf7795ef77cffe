"""Forward kinematics of the Franka Panda, so that joint states can be compared with end effector actions.

Denavit-Hartenberg parameters (Craig's convention) and joint limits: Franka Emika, "Franka Control Interface
Documentation", Robot and interface specifications. The tool centre point is 0.1034 m beyond the hand's flange.
"""

import numpy as np

from mstool.contract import Array

_A = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088)
_D = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0)
_ALPHA = (0.0, -np.pi / 2, np.pi / 2, np.pi / 2, -np.pi / 2, np.pi / 2, np.pi / 2)
_TCP_M = 0.107 + 0.1034
_HAND_TURN = -np.pi / 4
# rad, joint 1 to 7.
PANDA_LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
PANDA_UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])


def panda_tcp(joints: Array) -> tuple[Array, Array]:
    """Return the tool centre point in the robot's base frame.

    Parameters
    ----------
    joints
        Joint positions (T, 7), rad.

    Returns
    -------
    Position (T, 3) m, and rotation matrices (T, 3, 3).

    """
    joints = np.asarray(joints, np.float64)
    pose = np.broadcast_to(np.eye(4), (len(joints), 4, 4))
    for i in range(7):
        pose = pose @ _link(joints[:, i], _A[i], _D[i], _ALPHA[i])
    pose = pose @ _link(np.full(len(joints), _HAND_TURN), 0.0, _TCP_M, 0.0)
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


def within_panda_limits(joints: Array, slack: float = 0.05) -> float:
    """Return the share of rows (T, 7) within all seven joint limits, widened by `slack` rad."""
    inside = (joints >= PANDA_LOWER - slack) & (joints <= PANDA_UPPER + slack)
    return float(inside.all(axis=1).mean()) if len(joints) else 0.0
