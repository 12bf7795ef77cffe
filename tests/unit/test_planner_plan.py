"""Screw motions, their timing, and the planner's face towards ManiSkill."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mani_skill import PACKAGE_ASSET_DIR
from transforms3d.quaternions import axangle2quat, qmult, quat2mat

from mstool.errors import MstoolError
from mstool.simulators.maniskill.planner.inject import planner_as_mplib
from mstool.simulators.maniskill.planner.kinematics import Chain
from mstool.simulators.maniskill.planner.planner import Planner
from mstool.simulators.maniskill.planner.retime import retime
from mstool.simulators.maniskill.planner.rotations import matrix_from_quaternion, pose_in_frame, quaternion_from_matrix
from mstool.simulators.maniskill.planner.screw import screw_path

ROBOTS = Path(PACKAGE_ASSET_DIR) / "robots" / "panda"
ARM = [f"panda_joint{i}" for i in range(1, 8)]
FINGERS = ["panda_finger_joint1", "panda_finger_joint2"]
CHAIN = Chain(ROBOTS / "panda_v2.urdf", ARM + FINGERS, "panda_hand_tcp")
REST = np.array([0, np.pi / 8, 0, -np.pi * 5 / 8, 0, np.pi * 3 / 4, np.pi / 4, 0.04, 0.04])
HOME = CHAIN.pose(REST)

offsets = st.tuples(*[st.floats(-0.15, 0.15)] * 3).map(np.array)
angles = st.floats(-1, 1)


def planner(urdf: str = "panda_v2.urdf", joints: tuple[str, ...] = (*ARM, *FINGERS)) -> Planner:
    return Planner(urdf=str(ROBOTS / urdf), move_group="panda_hand_tcp", user_joint_names=joints)


def shifted(pose: np.ndarray, x: float, y: float, z: float) -> np.ndarray:
    return np.concatenate([pose[:3] + np.array([x, y, z]), pose[3:]])


@settings(max_examples=20)
@given(offset=offsets, angle=angles)
def test_path_ends_at_the_pose_within_the_limits(offset: np.ndarray, angle: float) -> None:
    target = np.concatenate([HOME[:3] + offset, qmult(axangle2quat([0, 0, 1], angle), HOME[3:])])
    path = screw_path(CHAIN, REST, target, step=0.1)
    assume(path is not None)
    assert path is not None
    assert path.shape[1] == 7
    np.testing.assert_array_equal(path[0], REST[:7])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(steps[:-1], 0.1, atol=1e-9)
    assert steps[-1] <= 0.1 + 1e-9
    assert (path >= CHAIN.limits[:7, 0] - 1e-3).all()
    assert (path <= CHAIN.limits[:7, 1] + 1e-3).all()
    reached = CHAIN.pose(np.append(path[-1], REST[7:]))
    # Straight steps in joint space along a curved motion: mplib's method misses by a centimetre on long ones.
    assert np.linalg.norm(reached[:3] - target[:3]) < 0.03


def test_a_shorter_step_ends_nearer() -> None:
    target = shifted(HOME, 0.1, 0.1, -0.05)
    misses = []
    for step in (0.1, 0.01):
        path = screw_path(CHAIN, REST, target, step=step)
        assert path is not None
        misses.append(np.linalg.norm(CHAIN.pose(np.append(path[-1], REST[7:]))[:3] - target[:3]))
    assert misses[1] < misses[0] / 5


@pytest.mark.parametrize(
    "target",
    [
        HOME,
        shifted(HOME, 0, 0, 5e-5),
        np.concatenate([HOME[:3], qmult(axangle2quat([1, 0, 0], np.pi), HOME[3:])]),
        np.concatenate([HOME[:3], qmult(axangle2quat([0, 0, 1], -2.8), HOME[3:])]),
    ],
    ids=["no motion", "under a tenth of a millimetre", "half a turn", "past a joint's limit"],
)
def test_motions_that_mplib_refuses_are_refused(target: np.ndarray) -> None:
    assert screw_path(CHAIN, REST, target, step=0.1) is None
    assert planner().plan_screw(target, REST) == {"status": "screw plan failed"}


def test_a_gripper_past_its_limit_fails_the_plan() -> None:
    open_too_far = REST.copy()
    open_too_far[7] = 0.042
    target = shifted(HOME, 0, 0, 0.1)
    assert planner().plan_screw(target, open_too_far)["status"] == "screw plan failed"
    assert planner().plan_screw(target, REST)["status"] == "Success"


def test_the_start_is_left_alone_and_its_precision_kept() -> None:
    start = REST.astype(np.float32)
    target = shifted(HOME, 0, 0, 0.1)
    path = screw_path(CHAIN, start, target, step=0.1)
    assert path is not None
    assert path.dtype == np.float32
    np.testing.assert_array_equal(start, REST.astype(np.float32))


def test_the_base_pose_moves_the_target() -> None:
    target = shifted(HOME, 0.05, 0, 0.05)
    here = planner().plan_screw(target, REST)
    moved = planner()
    base = np.array([-0.615, 0.2, 0, *axangle2quat([0, 0, 1], 0.5)])
    moved.set_base_pose(base)
    world = np.concatenate([quat2mat(base[3:]) @ target[:3] + base[:3], qmult(base[3:], target[3:])])
    np.testing.assert_allclose(moved.plan_screw(world, REST)["position"], here["position"], atol=1e-9)
    in_base = moved.plan_screw(target, REST, wrt_world=False)
    np.testing.assert_allclose(in_base["position"], here["position"], atol=1e-9)
    np.testing.assert_allclose(pose_in_frame(world, base)[:3], target[:3], atol=1e-12)


@settings(max_examples=15)
@given(offset=offsets, angle=angles, limit=st.floats(0.3, 1.0))
def test_timing_keeps_the_limits(offset: np.ndarray, angle: float, limit: float) -> None:
    target = np.concatenate([HOME[:3] + offset, qmult(axangle2quat([0, 0, 1], angle), HOME[3:])])
    path = screw_path(CHAIN, REST, target, step=0.1)
    assume(path is not None)
    assert path is not None
    timed = retime(path, np.full(7, limit), np.full(7, limit), time_step=0.05)
    assert len(timed.time) == int(timed.duration / 0.05)
    assume(len(timed.time) > 1)
    assert np.abs(timed.velocity).max() <= limit * 1.001
    # TOPP-RA keeps the acceleration limit at its grid points; between them it is off by a few per cent.
    assert np.abs(timed.acceleration).max() <= limit * 1.1
    np.testing.assert_allclose(timed.position[0], path[0], atol=1e-9)
    np.testing.assert_allclose(timed.position[-1], path[-1], atol=1e-6)
    assert np.abs(timed.velocity[[0, -1]]).max() < 1e-3


def test_a_robot_without_a_gripper_is_planned_for_in_float64() -> None:
    stick = planner("panda_stick.urdf", tuple(ARM))
    start = REST[:7].astype(np.float32)
    here = stick._chain.pose(start)
    target = shifted(here, 0, 0, 0.05)
    double = screw_path(stick._chain, start.astype(np.float64), target, step=0.1)
    assert double is not None
    wanted = retime(double, np.ones(7), np.ones(7), time_step=0.05)
    np.testing.assert_array_equal(
        stick.plan_screw(target, start, time_step=0.05, wrt_world=False)["position"], wanted.position
    )


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(MstoolError, match="qpos has 5 entries; the robot has 9 joints, 7 of which"):
        planner().plan_screw(HOME, np.zeros(5))
    with pytest.raises(MstoolError, match="use_point_cloud"):
        planner().plan_screw(HOME, REST, use_point_cloud=True)


def test_import_mplib_finds_the_planner_only_inside() -> None:
    before = sys.modules.get("mplib")
    with planner_as_mplib():
        import mplib  # type: ignore[import-not-found]

        assert mplib.Planner is Planner
    assert sys.modules.get("mplib") is before


@given(st.tuples(*[st.floats(-1, 1)] * 4).map(np.array))
def test_quaternions_and_matrices_invert_each_other(quaternion: np.ndarray) -> None:
    norm = np.linalg.norm(quaternion)
    assume(norm > 1e-3)
    matrix = matrix_from_quaternion(quaternion)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix, quat2mat(quaternion), atol=1e-12)
    back = quaternion_from_matrix(matrix)
    np.testing.assert_allclose(abs(back @ quaternion) / norm, 1, atol=1e-12)


def test_float32_quaternions_round_as_under_numpy_1() -> None:
    w, x, y, z = quaternion = np.array([0.1, -0.7, 0.5, 0.5], np.float32)
    scale = 2.0 / float(w * w + x * x + y * y + z * z)
    x, y = float(x), float(y)
    z = float(z)
    assert matrix_from_quaternion(quaternion)[0, 0] == 1.0 - (y * (y * scale) + z * (z * scale))
    np.testing.assert_array_equal(matrix_from_quaternion(np.zeros(4)), np.eye(3))
