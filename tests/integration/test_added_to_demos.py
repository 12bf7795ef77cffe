"""What is added to demos: steps in which the robot stays at their end, and disturbances; the dataset says so."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import DEMOS

from mstool.dataset.conventions import load_conventions
from mstool.dataset.record import read_record
from mstool.errors import UsageError
from mstool.evaluation.plan import plan_replay
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.maniskill2lerobot.episode.source import NOT_HELD, NOT_SUCCESSFUL, TIMEOUT
from mstool.maniskill2lerobot.executors.base import Done
from mstool.maniskill2lerobot.executors.job import ConvertWorker
from mstool.maniskill2lerobot.options import make_recipe, parse_formats
from mstool.maniskill2lerobot.plan import ConvertRequest, build, make_recipes
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.maniskill.demos.generate import generate_demos
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator

HOLD = 8


@pytest.fixture
def demo():
    return DemoFile(DEMOS / "PickCube-v1").read(0)


# PullCube's hand presses on the table: its last target is never reached.
@pytest.mark.parametrize("env_id", ["PickCube-v1", "PullCube-v1"])
def test_the_robot_comes_to_rest_where_the_demo_led(env_id):
    demo = DemoFile(DEMOS / env_id).read(0)
    simulator = ManiSkillSimulator(SimulatorSpec(demo.env_id, "pd_ee_delta_pose"))
    layout = get_layout("libero")
    plain, held = (replay(simulator, demo, layout, horizon=200, hold_steps=steps) for steps in (0, HOLD))
    assert not held.dropped
    tight = replay(simulator, demo, layout, horizon=len(plain.actions), hold_steps=HOLD)
    assert not tight.dropped, "the steps that hold are not the demo's"
    assert len(tight.actions) == len(held.actions)
    assert replay(simulator, demo, layout, horizon=len(plain.actions) - 1, hold_steps=HOLD).dropped == TIMEOUT
    assert len(held.actions) == len(plain.actions) + HOLD
    np.testing.assert_array_equal(held.actions[: len(plain.actions)], plain.actions)
    moved = np.linalg.norm(np.diff(held.track.tcp_pose[:, :3], axis=0), axis=1)
    assert moved[-1] < 2e-4
    controller = benchmark_of(env_id).controller(simulator.controller_facts())
    stays = layout.encode_action(np.zeros((1, 7), np.float32), controller, simulator.spec.control_mode)
    np.testing.assert_array_equal(held.actions[-HOLD:, :6], np.repeat(stays[:, :6], HOLD, axis=0))
    assert set(held.actions[-HOLD:, 6]) == {plain.actions[-1][6]}
    simulator.close()


def test_what_is_solved_but_cannot_be_held_is_told_apart(demo):
    simulator = ManiSkillSimulator(SimulatorSpec(demo.env_id, "pd_ee_delta_pose"))
    held, short = (
        replay(simulator, each, get_layout("libero"), horizon=200, hold_steps=300)
        for each in (demo, replace(demo, actions=demo.actions[:6]))
    )
    assert (held.dropped, short.dropped) == (NOT_HELD, NOT_SUCCESSFUL)
    simulator.close()


def test_differences_and_velocities_stay_at_zero_and_grippers_where_they_are():
    for mode in ("pd_joint_delta_pos", "pd_ee_delta_pose", "pd_joint_vel"):
        simulator = ManiSkillSimulator(SimulatorSpec("PickCube-v1", mode))
        simulator.reset(0)
        actions = np.full((2, simulator.action_size), 0.5, np.float32)
        np.testing.assert_array_equal(simulator.staying(actions[-1]), [0.0] * (actions.shape[1] - 1) + [0.5])
        simulator.close()


def test_what_is_not_executed_cannot_go_on():
    with pytest.raises(UsageError, match="must be executed"):
        make_recipe("PickCube-v1", hold_steps=5, observations="states")


def test_the_dataset_says_what_was_added_and_its_export_too(tmp_path, mstool):
    made = generate_demos("PickCube-v1", episodes=4, out_dir=tmp_path / "demos", workers=1, disturb=0.5)
    assert 0 < made.disturbed < 4
    formats = parse_formats("v3.0", None)
    request = ConvertRequest(
        cameras="base", image_size="32", render_detail="fast", demos=str(tmp_path / "demos"), hold_steps=HOLD
    )

    def here(jobs, _workers):
        worker = ConvertWorker()
        yield from (Done(job, worker.do(job)) for job in jobs)
        worker.close()

    recipes = make_recipes(["PickCube-v1"], request, formats, per_task=False)
    build(recipes, request, tmp_path / "out", repo_id="me/x", formats=formats, executor=here)
    assert mstool("export", tmp_path / "out", "--format", "v2.1", "--output", tmp_path / "v21") == 0
    for root in (tmp_path / "out", tmp_path / "v21"):
        lines = [json.loads(line) for line in (root / "meta/mstool/episodes.jsonl").read_text().splitlines()]
        assert len(lines) == 4
        assert sum(line.get("disturbed", False) for line in lines) == made.disturbed
        assert {line["hold_steps"] for line in lines} == {HOLD}
        assert all(line["frames"] >= line["source_steps"] + HOLD for line in lines)
        assert f"({made.disturbed} of 4 episodes)" in "".join(read_record(root).warnings)
        assert read_record(root).hold_steps == {"PickCube-v1": HOLD}
    assert mstool("validate", tmp_path / "out") == 0
    (task,) = plan_replay(["PickCube-v1"], load_conventions(tmp_path / "out"), None)
    assert set(task.seeds) == {line["seed"] for line in lines if not line.get("disturbed")}
