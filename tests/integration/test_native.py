"""Any ManiSkill environment: other robots, several robots, tasks that nobody judges, through the layout `native`."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import DEMOS
from support.converted import copied
from support.demos import write_demo
from support.proofs import some
from support.records import drop_record, read_record

from mstool.contract import RobotFacts
from mstool.errors import UsageError
from mstool.layouts import LAYOUTS, get_layout
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator
from mstool.validators import validate


def info(root):
    return json.loads((root / "meta/info.json").read_text())


def rows(root):
    return pd.concat(pd.read_parquet(path) for path in sorted((root / "data").rglob("*.parquet")))


def test_a_robot_without_tcp_in_a_task_without_success(tmp_path, mstool, capsys):
    """Cartpole: two joints, one action, no tool centre point, nothing says when it is solved."""
    actions = np.random.default_rng(0).uniform(-1, 1, (6, 1)).astype(np.float32)
    demos = write_demo(tmp_path / "demos", "MS-CartpoleBalance-v1", actions, mode="pd_joint_delta_pos")
    words = ("convert", "-e", "MS-CartpoleBalance-v1", "--demos", demos, "--instruction", "balance the pole")
    words += ("--cameras", "base", "--image-size", 32, "--render-detail", "fast", "--workers", 1)
    assert mstool(*words, "--layout", "native", "--output", tmp_path / "out") == 0
    assert "does not say when its task is solved" in capsys.readouterr().out
    features, table, ours = info(tmp_path / "out")["features"], rows(tmp_path / "out"), read_record(tmp_path / "out")
    assert features["observation.state"]["shape"] == [2]
    assert ours["units"]["observation.state"] == ["m", "rad"]
    assert ours["control_mode"] == "pd_joint_delta_pos"
    # A column of one number holds numbers; it reads back as what was executed.
    np.testing.assert_array_equal(np.ravel(np.stack(table["action"])), actions[:, 0])
    # Without its record, what a person says and the simulator knows restores it.
    mine = copied(tmp_path / "out", tmp_path / "mine")
    drop_record(mine)
    said = ("describe", mine, "--layout", "native", "--env", "MS-CartpoleBalance-v1", "--control-mode")
    assert mstool(*said, "pd_joint_delta_pos") == 0
    for entry in ("layout", "control_mode", "controller", "units", "robot", "robots", "views", "image_size"):
        assert read_record(mine)[entry] == ours[entry], entry
    capsys.readouterr()
    assert mstool("describe", mine, "--layout", "native", "--env", "PickCube-v1", *said[-1:], "pd_joint_pos") == 2
    assert mstool(*said[:3], "native", "--env", "PickCube-v1", *said[-1:], "pd_joint_pos", "--overwrite") == 1
    assert "observation.state has 2 numbers, panda in pd_joint_pos has 9" in capsys.readouterr().err
    # The layouts made for a Panda say that they are.
    assert mstool(*words, "--layout", "joint", "--control-mode", "pd_joint_delta_pos", "--output", tmp_path / "no") == 2
    err = capsys.readouterr().err
    assert "layout 'joint' is made for a Panda" in err
    assert err.endswith(" --layout native\n")
    assert not (tmp_path / "no").exists()


def test_reinforcement_learning_demos_in_joint_deltas(tmp_path, mstool):
    demo = DemoFile(DEMOS / "PushCube-v1").read(2)
    simulator = ManiSkillSimulator(SimulatorSpec("PushCube-v1", "pd_joint_delta_pos"))
    actions = replay(simulator, demo, get_layout("native"), horizon=200).actions
    simulator.close()
    demos = write_demo(tmp_path / "demos", "PushCube-v1", actions, mode="pd_joint_delta_pos", seed=demo.seed)
    words = ("convert", "-e", "PushCube-v1", "--demos", demos, "--layout", "native", "--image-size", 32)
    words += ("--render-detail", "fast")
    assert mstool(*words, "--cameras", "base", "--output", tmp_path / "out", "--workers", 1) == 0
    np.testing.assert_array_equal(np.stack(rows(tmp_path / "out")["action"]), actions)
    assert info(tmp_path / "out")["features"]["observation.state"]["shape"] == [9]
    # A lone Panda's joints and actions are known, so its motion is judged.
    report = validate(tmp_path / "out", "lerobot")
    assert report.valid, report.codes("failed")
    assert {"MS404", "MS410", "MS505"} <= report.codes("passed", "warned")


def test_two_robots_each_get_their_own_actions(tmp_path):
    """The first arm stands still, the second one moves; names say which is which."""
    still, moving = np.zeros((6, 8), np.float32), np.zeros((6, 8), np.float32)
    moving[:, 0] = 0.5
    keys = ("panda_wristcam-0", "panda_wristcam-1")
    demos = write_demo(tmp_path, "TwoRobotPickCube-v1", dict(zip(keys, (still, moving), strict=True)))
    simulator = ManiSkillSimulator(SimulatorSpec("TwoRobotPickCube-v1", "pd_joint_delta_pos"))
    result = replay(simulator, DemoFile(demos).read(0), get_layout("native"), horizon=10)
    facts = simulator.robot_facts()
    assert (simulator.action_size, simulator.robot) == (16, "panda_wristcam+panda_wristcam")
    simulator.close()
    moved = np.abs(result.track.qpos[-1] - result.track.qpos[0])
    assert len(facts.joints) == len(moved) == 18
    assert facts.joints[moved.argmax()] == "panda_wristcam-1.panda_joint1"
    assert moved[[i for i, name in enumerate(facts.joints) if name.startswith(f"{keys[0]}.panda_joint")]].max() < 0.01
    assert facts.actions[8] == "panda_wristcam-1.panda_joint1"
    # There is no one hand: layouts that need it say so.
    assert np.isnan(result.track.tcp_pose).all()
    with pytest.raises(UsageError, match="made for a Panda"):
        LAYOUTS["libero"].check_robot(facts)


@pytest.mark.parametrize(
    ("env_id", "joints", "width"),
    some(
        [("PickCubeSO100-v1", 6, 6), ("UnitreeG1PlaceAppleInBowl-v1", 25, 25), ("MS-HumanoidStand-v1", 21, 21)],
        lambda case: case[1] != 25,
    ),
)
def test_other_robots_name_their_joints(env_id, joints, width):
    mode = "pd_joint_pos" if "Humanoid" in env_id else "pd_joint_delta_pos"
    simulator = ManiSkillSimulator(SimulatorSpec(env_id, mode))
    simulator.reset(0)
    facts, reading = simulator.robot_facts(), simulator.reading()
    assert len(facts.joints) == len(set(facts.joints)) == len(reading.qpos) == joints
    assert len(facts.actions) == len(facts.action_units) == simulator.action_size == width
    assert set(facts.joint_units) <= {"rad", "m"}
    assert np.isfinite(reading.tcp_pose).all() == ("SO100" in env_id)
    bound = LAYOUTS["native"].bound(RobotFacts.from_dict(json.loads(json.dumps(facts.as_dict()))))
    assert (len(bound.state), len(bound.action(mode))) == (joints, width)
    simulator.close()


def test_two_tasks_in_one_dataset_are_numbered_by_first_use(tmp_path, mstool, capsys):
    words = ("convert", "-e", "PushCube-v1", "--env", "PickCube-v1", "--demos", DEMOS, "-n", 1, "--image-size", 32)
    words += ("--render-detail", "fast")
    assert mstool(*words, "--cameras", "base", "--output", tmp_path / "out", "--workers", 2, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["env_ids"] == ["PushCube-v1", "PickCube-v1"]
    table = rows(tmp_path / "out")
    tasks = pd.read_parquet(tmp_path / "out/meta/tasks.parquet")
    assert list(tasks.index) == report["instructions"]
    assert tasks.index[0].startswith("push")
    assert table.groupby("episode_index")["task_index"].unique().map(list).tolist() == [[0], [1]]
    assert read_record(tmp_path / "out")["robots"] == {"PushCube-v1": "panda", "PickCube-v1": "panda"}
