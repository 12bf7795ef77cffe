"""Quaternions (w, x, y, z) and rotation matrices, rounded the way the demonstrations were made."""

import numpy as np
import numpy.typing as npt
from transforms3d.quaternions import mat2quat

Array = npt.NDArray[np.floating]
Float64 = npt.NDArray[np.float64]


def matrix_from_quaternion(quaternion: Array) -> Float64:
    """Rotation matrix of a quaternion that need not have unit length.

    Source: the formula of `transforms3d.quaternions.quat2mat`, with numpy 1's types. There, a float32
    quaternion gave a float32 |q|^2, and every product after the division by it was float64; under numpy 2
    (NEP 50) `quat2mat` stays in float32 throughout and differs in the eighth digit.

    Parameters
    ----------
    quaternion
        (4,) w, x, y, z; float32 or float64.

    Returns
    -------
    (3, 3) float64

    """
    squares = quaternion * quaternion
    norm = float(squares[0] + squares[1] + squares[2] + squares[3])
    if norm < np.finfo(np.float64).eps:
        return np.eye(3)
    w, x, y, z = (float(value) for value in quaternion)
    scale = 2.0 / norm
    sx, sy, sz = x * scale, y * scale, z * scale
    wx, wy, wz = w * sx, w * sy, w * sz
    xx, xy, xz = x * sx, x * sy, x * sz
    yy, yz, zz = y * sy, y * sz, z * sz
    return np.array(
        [
            [1.0 - (yy + zz), xy - wz, xz + wy],
            [xy + wz, 1.0 - (xx + zz), yz - wx],
            [xz - wy, yz + wx, 1.0 - (xx + yy)],
        ]
    )


def quaternion_from_matrix(rotation: Float64) -> Float64:
    """Quaternion of a (3, 3) rotation matrix, by the largest of its four components.

    Source: Shepperd, "Quaternion from rotation matrix" (1978), in the order of operations of Eigen, from
    which mplib has its link poses. The last digit matters: the planner's failures depend on it.

    Returns
    -------
    (4,) float64: w, x, y, z

    """
    trace = rotation[0, 0] + rotation[1, 1] + rotation[2, 2]
    if trace > 0:
        root = np.sqrt(trace + 1.0)
        scale = 0.5 / root
        return np.array(
            [
                0.5 * root,
                (rotation[2, 1] - rotation[1, 2]) * scale,
                (rotation[0, 2] - rotation[2, 0]) * scale,
                (rotation[1, 0] - rotation[0, 1]) * scale,
            ]
        )
    i = 1 if rotation[1, 1] > rotation[0, 0] else 0
    if rotation[2, 2] > rotation[i, i]:
        i = 2
    j, k = (i + 1) % 3, (i + 2) % 3
    root = np.sqrt(rotation[i, i] - rotation[j, j] - rotation[k, k] + 1.0)
    scale = 0.5 / root
    quaternion = np.empty(4)
    quaternion[0] = (rotation[k, j] - rotation[j, k]) * scale
    quaternion[1 + i] = 0.5 * root
    quaternion[1 + j] = (rotation[j, i] + rotation[i, j]) * scale
    quaternion[1 + k] = (rotation[k, i] + rotation[i, k]) * scale
    return quaternion


def matrix_from_rpy(roll: float, pitch: float, yaw: float) -> Float64:
    """Rotation matrix of URDF's roll, pitch, yaw (rad, fixed axes), by way of a unit quaternion.

    Source: urdfdom's `Rotation::setFromRPY` and Eigen's `toRotationMatrix`. Products of sines and cosines
    give the same matrix up to the last digit, which mplib's results depend on.

    Returns
    -------
    (3, 3) float64

    """
    (sin_r, cos_r), (sin_p, cos_p), (sin_y, cos_y) = (
        (np.sin(angle / 2), np.cos(angle / 2)) for angle in (roll, pitch, yaw)
    )
    quaternion = np.array(
        [
            cos_r * cos_p * cos_y + sin_r * sin_p * sin_y,
            sin_r * cos_p * cos_y - cos_r * sin_p * sin_y,
            cos_r * sin_p * cos_y + sin_r * cos_p * sin_y,
            cos_r * cos_p * sin_y - sin_r * sin_p * cos_y,
        ]
    )
    w, x, y, z = quaternion / np.sqrt(np.sum(quaternion * quaternion))
    tx, ty, tz = 2.0 * x, 2.0 * y, 2.0 * z
    return np.array(
        [
            [1.0 - (ty * y + tz * z), ty * x - tz * w, tz * x + ty * w],
            [ty * x + tz * w, 1.0 - (tx * x + tz * z), tz * y - tx * w],
            [tz * x - ty * w, tz * y + tx * w, 1.0 - (tx * x + ty * y)],
        ]
    )


def transform_from_pose(pose: Array) -> Float64:
    """Homogeneous (4, 4) float64 transform of a (7,) pose: position (m), then quaternion w, x, y, z."""
    transform = np.eye(4)
    transform[:3, 3] = pose[:3]
    transform[:3, :3] = matrix_from_quaternion(pose[3:])
    return transform


def pose_in_frame(pose: Array, frame: Float64) -> Float64:
    """Express a (7,) pose given in the world in the frame whose (7,) pose in the world is `frame`.

    The result passes through a quaternion (`transforms3d.quaternions.mat2quat`: the eigenvector of
    Bar-Itzhack, 2000), because mplib's does.

    Returns
    -------
    (7,) float64: position (m), then quaternion w, x, y, z

    """
    transform = np.linalg.inv(transform_from_pose(frame)) @ transform_from_pose(pose)
    return np.concatenate([transform[:3, 3], mat2quat(transform[:3, :3])])
