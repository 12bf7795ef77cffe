"""Demos from policies: what is recorded is what the policy did, and it converts and solves the task again."""

import json

import h5py
import numpy as np
from support.converted import copied
from support.openpi_server import served
from support.records import edited_record

from mstool.dataset.conventions import load_conventions
from mstool.dataset.vectors import actions_of, state_of
from mstool.dataset.view import DatasetView
from mstool.evaluation.policy import Traits
from mstool.folders import writing_alone
from mstool.simulators.attempt_files import RECORDS
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, Rollout
from mstool.simulators.maniskill.correct import Corrector
from mstool.simulators.maniskill.demos import generate
from mstool.simulators.maniskill.demos.generate import generate_demos
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.demos.team import FILES
from mstool.simulators.maniskill.environment import ManiSkillSimulator

SMALL = ("--image-size", "64", "--render-detail", "fast", "--workers", "1")


def episodes(root):
    """[(states, actions)] of a dataset's episodes."""
    view = DatasetView(root)
    return [(state_of(view, rows), actions_of(view, rows)) for rows in view.rows()]


class Remembering:
    """Answers a state of a dataset with the actions that follow it there, another one with standing still."""

    name = "remembering"
    traits = Traits(sees=False)

    def __init__(self, root):
        self.stored = episodes(root)

    def reset(self, slot, env_id, seed):
        pass

    def act(self, slots, observations):
        return [self.answer(seen.state) for seen in observations]

    def answer(self, state):
        for states, actions in self.stored:
            if (found := np.flatnonzero((states == state).all(axis=1))).size:
                return actions[found[0] :]
        return np.zeros((100, 7), np.float32)

    def close(self):
        pass


def test_a_datasets_own_episodes_come_back_as_demos(made, mstool, tmp_path):
    data = made("push") / "v3.0"
    with writing_alone(tmp_path / "1", RECORDS):
        assert mstool("demos", "generate", "--policy", f"replay:{data}", "-n", 2, "--output", tmp_path / "1") == 2
    for workers in (1, 2):
        words = ("--policy", f"replay:{data}", "-n", 2, "--workers", workers, "--output", tmp_path / str(workers))
        assert mstool("demos", "generate", *words) == 0
    for name in FILES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name

    listing = json.loads((tmp_path / "1" / FILES[1]).read_text())
    assert listing["source_type"] == "policy"
    assert listing["env_info"]["env_kwargs"]["control_mode"] == "pd_ee_delta_pose"
    assert [episode["episode_seed"] for episode in listing["episodes"]] == [0, 1]
    assert all(episode["success"] and episode["control_mode"] == "pd_ee_delta_pose" for episode in listing["episodes"])
    with h5py.File(tmp_path / "1" / FILES[0]) as file:
        assert len(file["traj_0/env_states/actors/cube"]) == len(file["traj_0/actions"]) + 1

    words = ("convert", "-e", "PushCube-v1", "--demos", tmp_path / "1", *SMALL)
    for more, output in (((), "again"), (("--from-states",), "states")):
        assert mstool(*words, *more, "--output", tmp_path / output) == 0
        for (_, ours), (_, theirs) in zip(episodes(tmp_path / output), episodes(data), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_servers_successes_are_kept_and_its_failures_counted(made, mstool, tmp_path, capsys, monkeypatch):
    """It has seen seeds 0 and 1, and stands still in others."""
    data = made("push") / "v3.0"
    monkeypatch.setattr(generate, "HOPELESS", 1)
    words = ("--dataset", data, "--horizon", 80, "--workers", 1, "--output", tmp_path / "demos")
    with served(Remembering(data), load_conventions(data)) as url:
        assert mstool("demos", "generate", "--policy", url, "-n", 2, *words, "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["seeds"], report["failures"]) == ([0, 1], {})
        # It ends with the first success.
        assert all(ours < len(actions) for ours, (_, actions) in zip(report["steps"], episodes(data), strict=True))
        assert mstool("demos", "generate", "--policy", url, "-n", 2, *words) == 2
        assert "already holds" in capsys.readouterr().err
        assert mstool("demos", "generate", "--policy", url, "-n", 3, *words, "--overwrite") == 1
        assert "gave up after 3 seeds from 0 with 2 of 3 episodes solved" in capsys.readouterr().err
    assert json.loads((tmp_path / "demos" / FILES[1]).read_text())["source_desc"] == url


def test_a_checkpoint_that_solves_nothing_leaves_nothing(tiny, mstool, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(generate, "HOPELESS", 2)
    words = ("--policy", tiny.run("push"), "--device", "cpu", "--horizon", 2, "--workers", 1)
    assert mstool("demos", "generate", *words, "--output", tmp_path / "demos") == 1
    assert "gave up after 2 seeds" in (told := capsys.readouterr().err)
    assert "not successful 2" in told
    assert not list(tmp_path.iterdir())


def test_the_planner_goes_on_from_what_a_policy_met(mstool, tmp_path, capsys):
    words = ("--policy", "random", "--correct", "-e", "PushCube-v1", "-n", 2, "--json")
    for workers in (1, 2):
        assert mstool("demos", "generate", *words, "--workers", workers, "--output", tmp_path / str(workers)) == 0
    for name in FILES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    assert json.loads(capsys.readouterr().out.split("\n}\n")[0] + "}")["disturbed"] == 2
    listing = json.loads((tmp_path / "1" / FILES[1]).read_text())
    assert listing["source_desc"] == "motion planning from where random came to"
    assert listing["episodes"][0]["episode_seed"] >= 50000

    demos = DemoFile(tmp_path / "1")
    simulator = ManiSkillSimulator(SimulatorSpec("PushCube-v1", "pd_joint_pos"))
    for position, episode in enumerate(listing["episodes"]):
        demo = demos.read(position)
        assert demo.disturbed
        assert len(demo.actions) == episode["elapsed_steps"]
        # ManiSkill's solution closes the fingers first, with the arm at rest: not where a policy may be.
        assert np.abs(np.diff(demo.actions[:2, :7], axis=0)).max() > 1e-4
        simulator.reset(demo.seed, demo.reset_options, demo.first_state)
        assert not simulator.begun_at_seed
        assert [simulator.step(action) for action in demo.actions][-1]
    simulator.close()

    out = tmp_path / "data"
    assert mstool("convert", "-e", "PushCube-v1", "--demos", tmp_path / "1", *SMALL, "--output", out) == 0
    lines = [json.loads(line) for line in (out / "meta/mstool/episodes.jsonl").read_text().splitlines()]
    assert [line["disturbed"] for line in lines] == [True, True]
    assert mstool("validate", out, "--replay") == 0
    assert mstool("demos", "generate", "--policy", f"replay:{out}", "--output", tmp_path / "again") == 2
    assert "begins at its seed: all begin where a disturbance or a policy had come to" in capsys.readouterr().err


def test_where_something_is_held_the_planner_does_not_begin(tmp_path):
    """It would let go of it: no episode begins with the cube lifted, however much of it the hand holds something."""
    spec = SimulatorSpec("PickCube-v1", "pd_joint_pos")
    demo = DemoFile(generate_demos("PickCube-v1", episodes=1, out_dir=tmp_path / "demos").h5.parent).read(0)
    (folder := tmp_path / "work").mkdir()
    corrector = Corrector(spec, "a demo", folder)
    simulator = ManiSkillSimulator(spec)
    simulator.reset(demo.seed)
    held, heights = [], []
    for action in demo.actions:
        held.append(simulator.holding())
        heights.append(simulator.state()["actors"]["cube"][2])
        simulator.execute(action)
    simulator.close()
    first = held.index(True)
    assert 0 < first < len(held) - 10
    assert all(held[first + 3 :])
    assert max(heights) > 0.05
    for steps in range(first, len(held), 10):
        rollout = Rollout(Attempt(demo.seed, success=True, steps=steps), demo.actions[:steps])
        assert corrector._met(rollout)["actors"]["cube"][2] < 0.021
    corrector.close()


def test_what_cannot_be_recorded_is_said_before_anything_runs(made, tiny, mstool, tmp_path, capsys):
    run = tiny.run("push")
    other = copied(made("push") / "v3.0", tmp_path / "other")
    with edited_record(other) as record:
        record["goal"] = "hidden"
    two = made("merged")
    for words, message in (
        (("--policy", run, "--dataset", other), "is of another kind than"),
        (("--policy", "ws://127.0.0.1:9"), "/demos --dataset DATASET\n"),
        (("--policy", "ws://127.0.0.1:9", "--dataset", made("push") / "v3.0"), "ws://127.0.0.1:9"),
        (("--policy", f"replay:{two}"), "a file of demos is of one environment"),
        (("--policy", f"replay:{two}", "-e", "StackCube-v1"), "has no episode of StackCube-v1"),
        (("--policy", f"replay:{two}", "-e", "PushCube-v1", "-n", 3), "/demos --episodes 2\n"),
        (("--policy", "planner", "-e", "PushCube-v1"), "/demos --env PushCube-v1\n"),
        (("--policy", "random"), "which environment?"),
        (("--policy", "random", "--correct", "-e", "RollBall-v1"), "no motion-planning solution for 'RollBall-v1'"),
        (("--correct", "-e", "PushCube-v1"), "--correct: for policies"),
        (("--policy", "planner", "--correct", "-e", "PushCube-v1"), "/demos --env PushCube-v1\n"),
        (("--policy", "random", "-e", "PushCube-v1", "-n", 0), "/demos --episodes 1\n"),
        (("--policy", f"replay:{made('push') / 'v3.0'}", "--seed", 60000), "go up to 1, not to 60000"),
        (("--policy", "runs/nothing"), "nor is it ws://HOST:PORT, replay:DATASET or random"),
        (("--env", "PushCube-v1", "--horizon", "9"), "--horizon: for policies"),
    ):
        assert mstool("demos", "generate", *words, "--output", tmp_path / "demos") in {1, 2}
        assert message in capsys.readouterr().err
        assert not (tmp_path / "demos").exists()
