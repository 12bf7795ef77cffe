"""Demos of other control modes than the planner's, recorded by ManiSkill, become what a layout stores."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import DEMOS

from benchmarks.control_modes import record
from mstool.errors import DataError, UsageError
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.episode.from_states import AS_RECORDED, CUT_OFF, NOT_EXECUTED, UNSAID, StatesSource
from mstool.maniskill2lerobot.episode.replay import BEGUN_ELSEWHERE, replay
from mstool.maniskill2lerobot.episode.source import NOT_SUCCESSFUL, TIMEOUT
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator

ENV = "PushCube-v1"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with one demo in a control mode, recorded once."""
    base = tmp_path_factory.mktemp("modes")

    def folder(mode):
        if not (base / mode).exists():
            assert record(ENV, mode, DemoFile(DEMOS / ENV), base / mode, episodes=1) == 1
        return base / mode

    return folder


@pytest.fixture(scope="module")
def simulator():
    made = ManiSkillSimulator(SimulatorSpec(ENV, "pd_ee_delta_pose"))
    yield made
    made.close()


# One of every kind: steps of the joints, of the hand by inverse kinematics, of an earlier target, velocities, both.
@pytest.mark.parametrize(
    "mode", ["pd_joint_delta_pos", "pd_ee_delta_pos", "pd_ee_target_delta_pose", "pd_joint_vel", "pd_joint_pos_vel"]
)
def test_every_kind_of_control_mode_becomes_hand_deltas(recorded, simulator, mode):
    demo = DemoFile(recorded(mode)).read(0)
    assert demo.control_mode == mode
    found = replay(simulator, demo, get_layout("libero"), horizon=200)
    assert not found.dropped
    assert len(found.actions) <= 1.1 * len(demo.actions)


def test_joint_steps_as_joint_positions_are_what_maniskill_makes_of_them(recorded):
    """ManiSkill adds each step to the joints as they stand: the same numbers, and so the same motion, to the bit."""
    demo = DemoFile(recorded("pd_joint_delta_pos")).read(0)
    target = ManiSkillSimulator(SimulatorSpec(ENV, "pd_joint_pos"))
    target.reset(demo.seed, demo.reset_options, demo.first_state)
    success = False
    for source, found in zip(demo.actions, target.converted(demo.actions, demo.control_mode), strict=True):
        expected = target.reading().qpos[:7] + np.float32(0.1) * np.clip(source[:-1], -1, 1)
        np.testing.assert_array_equal(found, np.append(expected, source[-1]))
        success = target.step(found)
    assert success
    target.close()


@pytest.mark.parametrize(
    ("mode", "message", "fix"),
    [
        (
            "pd_joint_speed",
            "own control mode: PushCube-v1 with control mode 'pd_joint_speed'",
            "control_mode in DEMOS.json",
        ),
        (
            "pd_ee_delta_pos",
            "actions are 8 wide, control mode 'pd_ee_delta_pos' takes 4",
            "control_mode and robot_uids",
        ),
        ("pd_joint_pos", "actions are 7 wide, control mode 'pd_joint_pos' takes 8", "control_mode and robot_uids"),
    ],
)
def test_another_control_mode_than_the_demos_is_told(simulator, monkeypatch, mode, message, fix):
    monkeypatch.setattr(simulator, "spec", replace(simulator.spec, env_kwargs_in="DEMOS.json"))
    simulator.reset(0)
    width = 7 if mode == "pd_joint_pos" else 8
    with pytest.raises(DataError, match=message) as error:
        next(iter(simulator.converted(np.zeros((3, width), np.float32), mode)))
    assert fix in error.value.fix


def test_a_control_mode_that_nothing_is_converted_to(simulator, monkeypatch):
    monkeypatch.setattr(simulator, "spec", replace(simulator.spec, control_mode="pd_ee_pose"))
    with pytest.raises(UsageError, match="'pd_joint_pos' cannot be converted to 'pd_ee_pose', only to pd_joint_pos, "):
        simulator.converted(np.zeros((3, 8), np.float32), "pd_joint_delta_pos")


@pytest.fixture
def short(recorded, tmp_path):
    """Six steps of a demo in joint steps, whose file says that they solve the task."""
    folder = Path(shutil.copytree(recorded("pd_joint_delta_pos"), tmp_path / "short"))
    with h5py.File(folder / "trajectory.h5", "a") as file:
        for name, rows in (("actions", 6), ("success", 6)):
            kept = file[f"traj_0/{name}"][:rows]
            del file[f"traj_0/{name}"]
            file[f"traj_0/{name}"] = kept
        file["traj_0/success"][5] = True
        for bodies in file["traj_0/env_states"].values():
            for name in list(bodies):
                kept = bodies[name][:7]
                del bodies[name]
                bodies[name] = kept
    return folder


def test_recorded_states_show_what_executing_shows(short):
    """Of demos that this machine's physics repeats, the two ways give the same frames, readings and first actions."""
    demos = DemoFile(short)
    demo, layout = demos.read(0), get_layout("droid")
    simulator = ManiSkillSimulator(
        SimulatorSpec(ENV, "pd_joint_delta_pos", views=("base",), image_size=(32, 32), render_detail="fast")
    )
    executed, restored = [], []
    replayed = replay(simulator, demo, layout, horizon=200, on_frame=lambda images: executed.append(images["base"]))
    source = StatesSource(simulator, layout, demos.recorded_states(0))
    found = source.play(demo, horizon=200, on_frame=lambda images: restored.append(images["base"]))
    simulator.close()
    assert replayed.dropped == NOT_SUCCESSFUL  # six steps push no cube
    assert not found.dropped
    assert found.warnings == (NOT_EXECUTED, AS_RECORDED)
    np.testing.assert_array_equal(restored, executed)
    np.testing.assert_array_equal(found.track.qpos, replayed.track.qpos)
    np.testing.assert_allclose(found.track.tcp_pose, replayed.track.tcp_pose, atol=1e-6)
    np.testing.assert_array_equal(found.actions, replayed.actions)


def test_recorded_states_in_another_control_mode(short, simulator):
    """A demo that begins where no seed does, as those of a GPU simulation."""
    with h5py.File(short / "trajectory.h5", "a") as file:
        file["traj_0/env_states/actors/cube"][:, 1] += 0.05
    demos = DemoFile(short)
    source = StatesSource(simulator, get_layout("libero"), demos.recorded_states(0))
    found = source.play(demos.read(0), horizon=200)
    assert BEGUN_ELSEWHERE in found.warnings
    assert found.actions.shape == (6, 7)
    assert CUT_OFF not in found.warnings
    # All joints at 0 are further away than one step leads.
    far = replace(demos.read(0), control_mode="pd_joint_pos", actions=np.zeros((6, 8), np.float32))
    assert CUT_OFF in source.play(far, horizon=200).warnings
    cube = simulator._env.get_state_dict()["actors"]["cube"][0].numpy()
    np.testing.assert_array_equal(cube, demos.recorded_states(0).states[5]["actors"]["cube"])
    for success, dropped, warning in ((False, NOT_SUCCESSFUL, AS_RECORDED), (None, "", UNSAID)):
        other = replace(source, recorded=replace(source.recorded, success=success))
        found = other.play(demos.read(0), horizon=200)
        assert found.dropped == dropped
        assert warning in found.warnings
    assert source.play(demos.read(0), horizon=5).dropped == TIMEOUT
