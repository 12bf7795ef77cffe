"""The straight screw motion from a joint configuration to a pose."""

import numpy as np

from mstool.simulators.maniskill.planner.kinematics import Chain
from mstool.simulators.maniskill.planner.rotations import Array, Float64, transform_from_pose

# Joint positions may exceed their limits by this much (rad or m).
LIMIT_TOLERANCE = 1e-3
# A step that moves the link less than this (norm of the twist, m and rad) makes no progress.
SMALLEST_STEP = 1e-4
# A motion of the Panda takes 5 to 60 steps; one that circles a singularity would never end.
MOST_STEPS = 10_000


def twist_between(start: Float64, goal: Float64) -> Float64 | None:
    """Twist that carries one pose to another in unit time: the matrix logarithm of `goal @ inv(start)`.

    Source: Lynch and Park, Modern Robotics, section 3.3.3.2 (the inverse of G(theta)). Two properties are
    mplib 0.1.1's, kept because the demonstrations depend on them: a rotation under about 5 mrad counts as
    none, and one of 180 degrees, where the axis is not unique, has no answer.

    Parameters
    ----------
    start, goal
        (4, 4) poses in the base frame.

    Returns
    -------
    (6,) linear (m) and angular (rad) part in the base frame, or None for a rotation of 180 degrees

    """
    motion = goal @ np.linalg.inv(start)
    rotation = motion[:3, :3]
    trace = rotation.trace()
    if np.isclose(trace, -1):
        return None
    if np.isclose(trace, 3):
        axis, angle = np.zeros(3), 1.0
    else:
        angle = np.arccos((trace - 1) / 2)
        turned = [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
        axis = 0.5 / np.sin(angle) * np.array(turned)
    x, y, z = axis
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    to_linear = np.eye(3) / angle - 0.5 * skew + (1.0 / angle - 0.5 / np.tan(angle / 2)) * skew @ skew
    twist: Float64 = np.concatenate([to_linear @ motion[:3, 3], axis]) * angle
    return twist


def screw_path(chain: Chain, qpos: Array, target: Array, *, step: float) -> Array | None:
    """Joint path along the screw motion that carries the chain's link to a pose.

    Every step solves J dq = remaining twist by pseudo-inverse, shortens dq to the length `step` and takes
    what J dq covered off the remaining twist; the step that would overshoot is shortened to end at the pose.

    Parameters
    ----------
    chain
        The robot's kinematics, n active joints, m of them on the chain.
    qpos
        (n,) joint positions at the start. Its dtype is the path's: ManiSkill hands over float32, and mplib
        accumulates the steps in it, so rounding is part of the result.
    target
        (7,) pose of the link in the base frame: position (m), quaternion w, x, y, z.
    step
        Norm of the joint step (rad).

    Returns
    -------
    (k, m) positions of the joints on the chain, k >= 2, or None when there is no such path: the rotation is
    180 degrees, a joint (any of the n) passes its limit, or the link has stopped moving, which is also how a
    motion shorter than 0.1 mm ends.

    """
    remaining = twist_between(transform_from_pose(chain.pose(qpos)), transform_from_pose(target))
    if remaining is None or not remaining.any():
        return None
    # A column, as in mplib: the norm of one rounds differently from that of a flat vector.
    remaining = remaining.reshape(6, 1)
    position = qpos.copy()
    path = [position[chain.on_chain]]
    for _ in range(MOST_STEPS):
        jacobian = chain.jacobian(position)
        joint_step = np.linalg.pinv(jacobian) @ remaining
        joint_step *= step / np.linalg.norm(joint_step)
        covered = jacobian @ joint_step
        last = bool(np.linalg.norm(covered) > np.linalg.norm(remaining))
        if last:
            ratio = np.linalg.norm(remaining) / np.linalg.norm(covered)
            joint_step, covered = joint_step * ratio, covered * ratio
        position += joint_step.reshape(-1)
        remaining = remaining - covered
        lower, upper = chain.limits[:, 0] - LIMIT_TOLERANCE, chain.limits[:, 1] + LIMIT_TOLERANCE
        if np.linalg.norm(covered) < SMALLEST_STEP or (position < lower).any() or (position > upper).any():
            return None
        path.append(position[chain.on_chain])
        if last:
            return np.vstack(path)
    return None
