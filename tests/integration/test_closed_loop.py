"""What is stored can be executed, and turns the way it says: per layout, in a simulator, physics only.

`benchmarks/closed_loop.py` does the first for every demo of six tasks.
"""

from dataclasses import replace

import numpy as np
import pytest
from conftest import DEMOS
from scipy.spatial.transform import Rotation
from support.proofs import some

from mstool.contract import RobotTrack
from mstool.layouts import LAYOUTS, get_layout
from mstool.maniskill2lerobot.episode.replay import BEGUN_ELSEWHERE, replay
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.controller import ManiSkillController
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator

PAIRS = [(layout, mode) for layout in LAYOUTS.values() for mode in layout.control_modes or ("pd_joint_pos",)]
# A delta controller starts each step from where the arm is, not from its last target: this part of a command is done.
GAIN = 0.39
# One pushing task, the demo whose conversion repeats target steps, and one whose first state another machine rounded.
EPISODES = (("PushCube-v1", 0), ("PlaceSphere-v1", 3), ("StackCube-v1", 1))


# In the suite every pair plays one of the episodes.
@pytest.mark.parametrize(
    ("env_id", "position", "layout", "mode"),
    some(
        [(*episode, *pair) for episode in EPISODES for pair in PAIRS],
        lambda case: EPISODES.index(case[:2]) == PAIRS.index(case[2:]) % len(EPISODES),
    ),
    ids=lambda part: getattr(part, "name", None),
)
def test_stored_actions_repeat_the_replay_to_the_bit(env_id, position, layout, mode):
    demo = DemoFile(DEMOS / env_id).read(position)
    simulator = ManiSkillSimulator(SimulatorSpec(env_id, mode))
    result = replay(simulator, demo, layout, horizon=300)
    controller = ManiSkillController(simulator.controller_facts())
    simulator.close()
    assert not result.dropped
    assert not result.warnings
    assert result.actions.dtype == np.float32
    fresh = ManiSkillSimulator(SimulatorSpec(env_id, mode))
    fresh.reset(demo.seed)
    solved = False
    for stored, qpos in zip(result.actions, result.track.qpos, strict=True):
        np.testing.assert_array_equal(fresh.reading().qpos, qpos)
        solved = fresh.step(layout.decode_action(stored[None], controller, mode)[0])
    assert solved
    fresh.close()


@pytest.mark.parametrize(("moved", "warnings"), [(1e-7, ()), (1e-3, (BEGUN_ELSEWHERE,))])
def test_an_episode_that_does_not_begin_where_its_seed_does_says_so(moved, warnings):
    demo = DemoFile(DEMOS / "PushCube-v1").read(0)
    actors = dict(demo.first_state["actors"])
    actors["cube"] = actors["cube"] + np.float32([moved] + [0] * 12)
    simulator = ManiSkillSimulator(SimulatorSpec("PushCube-v1", "pd_joint_pos"))
    begun = replace(demo, first_state={**demo.first_state, "actors": actors})
    assert replay(simulator, begun, get_layout("joint"), horizon=300).warnings == warnings
    simulator.close()


def rotation_of(layout, state):
    """The rotation that a state declares, None where it has none."""
    if layout.name == "libero":
        return Rotation.from_rotvec(state[3:6])
    if layout.name == "tcp":
        return Rotation.from_quat(state[3:7], scalar_first=True)
    return None


@pytest.fixture(scope="module")
def ee_simulator():
    simulator = ManiSkillSimulator(SimulatorSpec("PickCube-v1", "pd_ee_delta_pose"))
    yield simulator
    simulator.close()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rotation_turns_the_way_the_layout_says(ee_simulator, axis, sign):
    """Turn the hand by 0.1 rad a few times about one axis of the base; compare state and stored action."""
    facts = ee_simulator.controller_facts()
    action = np.zeros(7, np.float32)
    action[3 + axis] = sign * 0.5  # ManiSkill's own sense and unit
    steps = 8
    ee_simulator.reset(0)
    before = ee_simulator.reading()
    for _ in range(steps):
        ee_simulator.step(action)
    after = ee_simulator.reading()
    turned = (
        Rotation.from_quat(after.tcp_pose[3:], scalar_first=True)
        * Rotation.from_quat(before.tcp_pose[3:], scalar_first=True).inv()
    ).as_rotvec()
    # The axis dominates, by about the commanded angle, against the sign of ManiSkill's action.
    assert abs(turned[axis]) > 3 * np.delete(np.abs(turned), axis).max()
    assert abs(turned[axis]) == pytest.approx(GAIN * steps * 0.5 * 0.1, rel=0.15)
    assert np.sign(turned[axis]) == -sign

    track = RobotTrack(np.stack([before.qpos, after.qpos]), np.stack([before.tcp_pose, after.tcp_pose]))
    for layout, mode in PAIRS:
        if mode != "pd_ee_delta_pose":
            continue
        (stored,) = layout.encode_action(action[None], ManiSkillController(facts), mode)
        first, last = layout.encode_state(track)
        if rotation_of(layout, first) is not None:
            shown = (rotation_of(layout, last) * rotation_of(layout, first).inv()).as_rotvec()
            np.testing.assert_allclose(shown, turned, atol=1e-3)
        if layout.name == "libero":  # positive turns positively, 1.0 = 0.5 rad
            assert np.sign(stored[3 + axis]) == np.sign(turned[axis])
            assert GAIN * steps * stored[3 + axis] * 0.5 == pytest.approx(turned[axis], rel=0.15)
        else:  # as ManiSkill executes it: a positive action turns negatively
            assert np.sign(stored[3 + axis]) == -np.sign(turned[axis])


@pytest.mark.parametrize("joint", [0, 3, 6])
def test_joint_velocity_turns_the_way_droid_says(joint):
    simulator = ManiSkillSimulator(SimulatorSpec("PickCube-v1", "pd_joint_delta_pos"))
    simulator.reset(0)
    droid, controller = get_layout("droid"), ManiSkillController(simulator.controller_facts())
    stored = np.zeros((1, 8), np.float32)
    stored[0, joint] = 0.3  # 0.9 rad/s
    before = simulator.reading()
    for _ in range(10):
        simulator.step(droid.decode_action(stored, controller, "pd_joint_delta_pos")[0])
    after = simulator.reading()
    track = RobotTrack(np.stack([before.qpos, after.qpos]), np.stack([before.tcp_pose, after.tcp_pose]))
    first, last = droid.encode_state(track)
    # Half a second at 0.9 rad/s, less what the controller lags behind: a delta starts from where the joint is.
    assert 0.15 < (last - first)[joint] <= 0.46
    assert np.abs(np.delete(last - first, [joint, 7])).max() < 0.05
    simulator.close()
