"""Rotations as plain numpy, vectorised over leading axes, in float64. Quaternions are wxyz, as in ManiSkill."""

import numpy as np

from mstool.contract import Array


def quat_to_axis_angle(quat: Array) -> Array:
    """Turn unit quaternions (..., 4) wxyz into rotation vectors (..., 3) rad with an angle in [0, pi].

    log map of SO(3): angle = 2 atan2(|v|, |w|), axis = v/|v|, after choosing the sign with w >= 0.
    """
    quat = np.asarray(quat, np.float64)
    quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    quat = np.where(quat[..., :1] < 0, -quat, quat)
    length = np.linalg.norm(quat[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(length, quat[..., :1])
    # For small angles angle/|v| tends to 2.
    factor = np.where(length > 1e-12, angle / np.maximum(length, 1e-12), 2.0)
    return quat[..., 1:] * factor


def axis_angle_to_quat(vector: Array) -> Array:
    """Turn rotation vectors (..., 3) rad into unit quaternions (..., 4) wxyz (exp map of SO(3))."""
    vector = np.asarray(vector, np.float64)
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    # sin(a/2)/a, which np.sinc gives without dividing by zero: sinc(x) = sin(pi x)/(pi x).
    return np.concatenate([np.cos(angle / 2), vector * np.sinc(angle / (2 * np.pi)) / 2], axis=-1)


def euler_xyz_to_quat(euler: Array) -> Array:
    """Turn Euler angles (..., 3) rad into quaternions wxyz for R = Rx(e0) Ry(e1) Rz(e2).

    The convention of `euler_angles_to_matrix(..., "XYZ")` that ManiSkill's `PDEEPoseController` uses.
    """
    half = np.asarray(euler, np.float64) / 2
    zero = np.zeros_like(half[..., 0])
    parts = []
    for axis in range(3):
        part = np.stack([np.cos(half[..., axis]), zero, zero, zero], axis=-1)
        part[..., 1 + axis] = np.sin(half[..., axis])
        parts.append(part)
    return quat_multiply(quat_multiply(parts[0], parts[1]), parts[2])


def quat_to_euler_xyz(quat: Array) -> Array:
    """Invert `euler_xyz_to_quat`: angles (..., 3) rad, the middle one in [-pi/2, pi/2]."""
    w, x, y, z = np.moveaxis(np.asarray(quat, np.float64), -1, 0)
    return np.stack(
        [
            np.arctan2(2 * (w * x - y * z), 1 - 2 * (x * x + y * y)),
            np.arcsin(np.clip(2 * (x * z + w * y), -1, 1)),
            np.arctan2(2 * (w * z - x * y), 1 - 2 * (y * y + z * z)),
        ],
        axis=-1,
    )


def quat_multiply(left: Array, right: Array) -> Array:
    """Hamilton product of quaternions (..., 4) wxyz: first turn by `right`, then by `left`."""
    w1, x1, y1, z1 = np.moveaxis(left, -1, 0)
    w2, x2, y2, z2 = np.moveaxis(right, -1, 0)
    return np.stack(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ],
        axis=-1,
    )


def continuous_axis_angle(vectors: Array, reference: Array) -> Array:
    """Choose for each rotation vector (T, 3) the branch that stays close to the one before it.

    A rotation by angle a about u is also one by a - 2 pi about u. A gripper that points down sits at angle pi, where
    the two change places from frame to frame. The first frame takes the branch closest to `reference`, (3,) rad.
    """
    out = np.array(vectors, np.float64)
    previous = np.asarray(reference, np.float64)
    for t, vector in enumerate(out):
        angle = np.linalg.norm(vector)
        if angle > 1e-9:
            other = vector * (1 - 2 * np.pi / angle)
            if np.linalg.norm(other - previous) < np.linalg.norm(vector - previous):
                out[t] = other
        previous = out[t]
    return out


def continuous_quat(quats: Array, reference: Array) -> Array:
    """Choose each quaternion's sign (T, 4) to stay close to the one before; the first is close to `reference`, (4,)."""
    out = np.array(quats, np.float64)
    previous = np.asarray(reference, np.float64)
    for t, quat in enumerate(out):
        if quat @ previous < 0:
            out[t] = -quat
        previous = out[t]
    return out
