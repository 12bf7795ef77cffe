"""The planner's kinematics against finite differences and against SAPIEN."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mani_skill import PACKAGE_ASSET_DIR

from mstool.errors import DataError
from mstool.simulators.maniskill.planner.kinematics import Chain
from mstool.simulators.maniskill.planner.rotations import transform_from_pose
from mstool.simulators.maniskill.planner.screw import twist_between
from mstool.simulators.maniskill.solve import make_planning_env

ROBOTS = Path(PACKAGE_ASSET_DIR) / "robots" / "panda"
ARM = [f"panda_joint{i}" for i in range(1, 8)]
FINGERS = ["panda_finger_joint1", "panda_finger_joint2"]
TCP = Chain(ROBOTS / "panda_v2.urdf", ARM + FINGERS, "panda_hand_tcp")
FINGER = Chain(ROBOTS / "panda_v2.urdf", ARM + FINGERS, "panda_rightfinger_pad")

LOWER, UPPER = TCP.limits.T
UNIT = st.floats(0, 1, allow_nan=False)
configurations = st.tuples(*[UNIT] * 9).map(lambda unit: LOWER + np.array(unit) * (UPPER - LOWER))


@pytest.mark.parametrize("chain", [TCP, FINGER], ids=["tcp", "finger"])
@settings(max_examples=20)
@given(qpos=configurations)
def test_jacobian_is_the_derivative_of_the_pose(chain: Chain, qpos: np.ndarray) -> None:
    step = 1e-3  # below 5 mrad `twist_between` takes a rotation for none, so the rotation is differenced by itself
    jacobian = chain.jacobian(qpos)
    for joint in range(9):
        plus, minus = qpos.copy(), qpos.copy()
        plus[joint] += step
        minus[joint] -= step
        a, b = transform_from_pose(chain.pose(plus)), transform_from_pose(chain.pose(minus))
        here = transform_from_pose(chain.pose(qpos))
        # The spatial twist is dT/dq T^-1 (Modern Robotics, eq. 5.8), here by central differences.
        velocity = (a - b) / (2 * step) @ np.linalg.inv(here)
        expected = [*velocity[:3, 3], velocity[2, 1], velocity[0, 2], velocity[1, 0]]
        np.testing.assert_allclose(jacobian[:, joint], expected, atol=2e-6)


def test_joints_off_the_chain_do_not_move_the_link() -> None:
    qpos = np.zeros(9)
    assert not TCP.jacobian(qpos)[:, 7:].any()
    assert FINGER.jacobian(qpos)[:3, 8].any()
    assert not FINGER.jacobian(qpos)[:, 7].any()
    assert TCP.on_chain == list(range(7))
    assert FINGER.on_chain == [*range(7), 8]


def test_limits_are_the_urdfs() -> None:
    np.testing.assert_array_equal(TCP.limits[3], [-3.0718, -0.0698])
    np.testing.assert_array_equal(TCP.limits[8], [0.0, 0.04])


@settings(max_examples=20)
@given(start=configurations, goal=configurations)
def test_twist_carries_the_start_to_the_goal(start: np.ndarray, goal: np.ndarray) -> None:
    from scipy.linalg import expm

    a, b = transform_from_pose(TCP.pose(start)), transform_from_pose(TCP.pose(goal))
    turn = np.trace((b @ np.linalg.inv(a))[:3, :3])
    twist = twist_between(a, b)
    if np.isclose(turn, -1):
        assert twist is None
        return
    assert twist is not None
    vx, vy, vz, wx, wy, wz = twist
    algebra = np.array([[0, -wz, wy, vx], [wz, 0, -wx, vy], [-wy, wx, 0, vz], [0, 0, 0, 0]])
    # A rotation below 5 mrad is taken for none.
    np.testing.assert_allclose(expm(algebra) @ a, b, atol=1e-6 if not np.isclose(turn, 3) else 6e-3)


def test_poses_agree_with_sapien() -> None:
    env = make_planning_env("PickCube-v1")
    env.reset(seed=0)
    robot = env.unwrapped.agent.robot
    assert [joint.name for joint in robot.active_joints] == ARM + FINGERS
    base = robot.pose.sp.inv()
    rng = np.random.default_rng(0)
    chains = {
        link: Chain(ROBOTS / "panda_v2.urdf", ARM + FINGERS, link)
        for link in ("panda_link1", "panda_link5", "panda_hand", "panda_hand_tcp", "panda_leftfinger")
    }
    for _ in range(20):
        qpos = rng.uniform(LOWER, UPPER)
        robot.set_qpos(qpos.astype(np.float32)[None])
        for name, chain in chains.items():
            theirs = (base * robot.links_map[name].pose.sp).to_transformation_matrix()
            np.testing.assert_allclose(transform_from_pose(chain.pose(qpos)), theirs, atol=1e-5)
    env.close()


def test_errors_name_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'elbow', 'tool'"):
        Chain(ROBOTS / "panda_v2.urdf", ["panda_joint1", "elbow"], "tool")
    with pytest.raises(DataError, match="cannot read"):
        Chain(tmp_path / "none.urdf", [], "tool")
    ball = tmp_path / "ball.urdf"
    ball.write_text('<robot><joint name="b" type="floating"><parent link="a"/><child link="c"/></joint></robot>')
    with pytest.raises(DataError, match="'b' is 'floating'"):
        Chain(ball, [], "c")
