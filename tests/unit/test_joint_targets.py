"""What a drive is set to, as the joint position that asks the same of a position drive."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from mstool.errors import UsageError
from mstool.simulators.maniskill.joint_targets import arm_target, joint_positions

STIFFNESS, DAMPING = 1000.0, 100.0
QPOS = np.array([0.3, -1.2, 2.5])
SPEED = np.array([0.4, -0.1, 0.0])


def drives(target, velocity, stiffness):
    return [
        SimpleNamespace(stiffness=stiffness, damping=DAMPING, drive_target=[q], drive_velocity_target=[v])
        for q, v in zip(np.float32(target), np.float32(velocity), strict=True)
    ]


def force(target, velocity, stiffness):
    return stiffness * (np.float32(target) - QPOS) + DAMPING * (np.float32(velocity) - SPEED)


@pytest.mark.parametrize(
    ("target", "velocity", "stiffness"),
    [
        ([0.4, -1.3, 2.5], [0, 0, 0], STIFFNESS),  # position
        ([0, 0, 0], [0.5, -0.9, 0.1], 0.0),  # velocity
        ([0.4, -1.3, 2.5], [0.5, -0.9, 0.1], STIFFNESS),  # both
        ([0.4, -1.3, 2.5], [0.5, -0.9, 0.1], 400.0),  # a softer one
    ],
)
def test_a_position_drive_with_that_target_exerts_the_same_force(target, velocity, stiffness):
    found = arm_target(drives(target, velocity, stiffness), np.full(3, STIFFNESS), QPOS)
    assert np.allclose(force(target, velocity, stiffness), STIFFNESS * (found - QPOS) - DAMPING * SPEED, atol=1e-4)


def test_the_target_of_a_position_drive_stays_the_same_to_the_bit():
    targets = np.random.default_rng(0).uniform(-3, 3, 1000).astype(np.float32)
    found = arm_target(drives(targets, 0 * targets, STIFFNESS), np.full(1000, STIFFNESS), np.zeros(1000))
    np.testing.assert_array_equal(found.astype(np.float32), targets)


@dataclass
class Config:
    stiffness: float = STIFFNESS
    normalize_action: bool = False


def agent(**configs):
    ours = {"arm": Config(), "gripper": "fingers"}
    arm = SimpleNamespace(joints=[1, 2, 3])
    controller = SimpleNamespace(controllers={"arm": arm}, configs=ours, action_mapping={})
    return SimpleNamespace(
        uid="robot", control_mode="pd_ee_delta_pose", controller=controller, _controller_configs=configs
    )


@pytest.mark.parametrize(
    "configs",
    [
        {},
        {"pd_joint_pos": {"arm": Config()}},
        {"pd_joint_pos": {"arm": Config(), "gripper": "other fingers"}},
        {"pd_joint_pos": {"arm": Config(normalize_action=True), "gripper": "fingers"}},
    ],
)
def test_a_robot_that_pd_joint_pos_does_not_move_alike_is_refused(configs):
    with pytest.raises(UsageError, match="'robot' in control mode 'pd_ee_delta_pose' cannot be converted") as error:
        joint_positions(agent(**configs), np.zeros((2, 4)), lambda _: None)
    assert error.value.fix == "use --layout native --control-mode pd_ee_delta_pose"


def test_several_robots_have_no_single_arm():
    with pytest.raises(UsageError, match="only be executed in their own control mode"):
        joint_positions(SimpleNamespace(agents_dict={}), np.zeros((2, 4)), lambda _: None)
