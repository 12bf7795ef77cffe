"""Where the hand is and how it is turned, from a state of any kind."""

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import actions_of, state_of
from mstool.layouts.rotations import axis_angle_to_quat, quat_multiply, quat_to_axis_angle
from mstool.validators.check import Context
from mstool.validators.kinematics import tool_centre
from mstool.validators.meanings import Meaning

# Where w, x, y and z are among the four numbers of a quaternion.
WXYZ, XYZW = [0, 1, 2, 3], [3, 0, 1, 2]


def hand_pose(state: Array, meaning: Meaning, order: list[int]) -> tuple[Array, Array]:
    """Return the hand's position (T, 3) m and quaternion (T, 4) wxyz; `order` is where w, x, y and z are stored."""
    if meaning.state == "joints":
        position, rotation = tool_centre(meaning.robot, state[:, : len(meaning.robot.joints)])
        return position, _matrix_to_quat(rotation)
    if meaning.state == "eef_quaternion":
        return state[:, :3], state[:, 3:7][:, order] / np.maximum(
            np.linalg.norm(state[:, 3:7], axis=1, keepdims=True), 1e-9
        )
    return state[:, :3], axis_angle_to_quat(state[:, 3:6])


def _matrix_to_quat(matrix: Array) -> Array:
    # Of the four forms of the same quaternion the one with the largest component is exact (Shepperd, 1978).
    m = matrix
    trace = np.stack(
        [
            1 + m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2],
            1 + m[:, 0, 0] - m[:, 1, 1] - m[:, 2, 2],
            1 - m[:, 0, 0] + m[:, 1, 1] - m[:, 2, 2],
            1 - m[:, 0, 0] - m[:, 1, 1] + m[:, 2, 2],
        ],
        axis=1,
    )
    wx, wy, wz = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    xy, xz, yz = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    forms = np.stack(
        [
            np.stack([trace[:, 0], wx, wy, wz], axis=1),
            np.stack([wx, trace[:, 1], xy, xz], axis=1),
            np.stack([wy, xy, trace[:, 2], yz], axis=1),
            np.stack([wz, xz, yz, trace[:, 3]], axis=1),
        ],
        axis=1,
    )
    best = forms[np.arange(len(m)), trace.argmax(axis=1)]
    result: Array = best / np.linalg.norm(best, axis=1, keepdims=True)
    return result


def quaternion_order(context: Context, meaning: Meaning) -> list[int]:
    """Return the dimensions of w, x, y, z within the quaternion, as the data tells.

    What turns are commanded decides; where they do not tell, that a gripper works from above: its z axis points down.
    """
    states = [state_of(context.data, rows) for rows in context.data.sample]
    commands = [actions_of(context.data, rows) for rows in context.data.sample]
    usable = [(s, a) for s, a in zip(states, commands, strict=True) if np.isfinite(s).all() and np.isfinite(a).all()]
    if not usable:
        return WXYZ
    agree, down = {}, {}
    for name, order in (("wxyz", WXYZ), ("xyzw", XYZW)):
        quats = [s[:, 3:7][:, order] for s, _ in usable]
        turns = np.concatenate([quat_to_axis_angle(quat_multiply(q[1:], q[:-1] * [1, -1, -1, -1])) for q in quats])
        wanted = np.concatenate([a[:-1, 3:6] for _, a in usable])
        agree[name] = _agreement(turns, wanted) if meaning.action == "ee_delta" else 0.0
        _, x, y, _ = np.concatenate(quats).T
        # z component of the tool's own z axis in the world.
        down[name] = float(np.median(1 - 2 * (x**2 + y**2)))
    by_turn = agree["xyzw"] > 0.7 and agree["wxyz"] < 0.85 * agree["xyzw"]
    by_axis = down["xyzw"] < -0.7 and down["wxyz"] > 0.7 and agree["wxyz"] <= agree["xyzw"] + 0.05
    return XYZW if by_turn or by_axis else WXYZ


def _agreement(turns: Array, wanted: Array) -> float:
    """Return the greatest of the axes' correlations between what was commanded and turned, whatever the sign."""
    best = 0.0
    for axis in range(3):
        if turns[:, axis].std() > 1e-4 and wanted[:, axis].std() > 1e-3:
            best = max(best, abs(float(np.corrcoef(turns[:, axis], wanted[:, axis])[0, 1])))
    return best
