import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from mstool.layouts import rotations as r

angles = arrays(np.float64, (5, 3), elements=st.floats(-1.5, 1.5))
quats = arrays(np.float64, (5, 4), elements=st.floats(-1, 1)).filter(lambda q: (np.linalg.norm(q, axis=1) > 0.1).all())


def scipy_from_wxyz(quat):
    return Rotation.from_quat(np.roll(quat, -1, axis=-1))


@given(quats)
def test_axis_angle_equals_scipy_and_inverts(quat):
    quat = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    vector = r.quat_to_axis_angle(quat)
    assert np.linalg.norm(vector, axis=1).max() <= np.pi + 1e-12
    error = (Rotation.from_rotvec(vector) * scipy_from_wxyz(quat).inv()).magnitude()
    np.testing.assert_allclose(error, 0, atol=1e-7)
    back = r.axis_angle_to_quat(vector)
    np.testing.assert_allclose(np.abs((back * quat).sum(1)), 1, atol=1e-12)


@given(angles)
def test_euler_is_intrinsic_xyz_and_inverts(euler):
    expected = Rotation.from_euler("XYZ", euler)
    quat = r.euler_xyz_to_quat(euler)
    np.testing.assert_allclose((scipy_from_wxyz(quat) * expected.inv()).magnitude(), 0, atol=1e-7)
    np.testing.assert_allclose(r.quat_to_euler_xyz(quat), euler, atol=1e-7)


def test_euler_is_maniskills():
    """The controller's own functions, on random angles."""
    import torch
    from mani_skill.utils.geometry.rotation_conversions import euler_angles_to_matrix, matrix_to_quaternion

    euler = np.random.default_rng(0).uniform(-0.1, 0.1, (50, 3))
    theirs = matrix_to_quaternion(euler_angles_to_matrix(torch.from_numpy(euler), "XYZ")).numpy()
    np.testing.assert_allclose(r.euler_xyz_to_quat(euler), theirs, atol=1e-12)


def test_gripper_down_stays_on_one_branch():
    # A hand that points down and wobbles about angle pi: the shortest rotation vector flips its sign.
    wobble = np.linspace(np.pi - 0.1, np.pi + 0.1, 21)
    quat = np.stack([np.cos(wobble / 2), np.sin(wobble / 2), 0 * wobble, 0 * wobble], axis=1)
    shortest = r.quat_to_axis_angle(quat)
    assert np.abs(np.diff(shortest[:, 0])).max() > 6
    smooth = r.continuous_axis_angle(shortest, np.array([np.pi, 0, 0]))
    np.testing.assert_allclose(smooth[:, 0], wobble, atol=1e-9)


@given(quats)
def test_continuous_branches_are_the_same_rotations(quat):
    quat = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    vectors = r.continuous_axis_angle(r.quat_to_axis_angle(quat), np.array([np.pi, 0, 0]))
    error = (Rotation.from_rotvec(vectors) * scipy_from_wxyz(quat).inv()).magnitude()
    np.testing.assert_allclose(error, 0, atol=1e-6)
    signs = r.continuous_quat(quat, np.array([0, 1.0, 0, 0]))
    np.testing.assert_allclose(np.abs((signs * quat).sum(1)), 1, atol=1e-12)
    assert ((signs[1:] * signs[:-1]).sum(1) >= 0).all()
