"""Several environments: which ones, in which order, and what cannot be one dataset. No simulation."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from support.demos import write_demo

from mstool.errors import DataError, UsageError
from mstool.manifest import all_tasks
from mstool.maniskill2lerobot.plan import ConvertRequest, build, choose_envs, make_recipes, open_batches, tasks_of
from mstool.simulators.maniskill.benchmark import ManiSkill
from mstool.simulators.maniskill.demos.reader import DemoFile

SHIPPED = Path(__file__).parents[2] / "datasets_manifest.yaml"
V3 = {"v3.0": "video"}
MANIFEST = """
tasks:
  PullCube-v1: {instruction: pull it, horizon: 99, cameras: [base]}
  PickCube-v1: {instruction: pick it, horizon: 77}
"""


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(MANIFEST)
    return path


def test_a_task_that_is_left_out_is_taken_when_it_is_named(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text("tasks:\n  A-v1: {instruction: do it, horizon: 9, in_all: false}\n")
    with pytest.raises(UsageError, match="every entry") as error:
        tasks_of(path, [])
    assert error.value.fix == "name one with --env A-v1"
    assert [task.env_id for task in tasks_of(path, ["A-v1"])] == ["A-v1"]
    assert set(all_tasks()) == {task.env_id for task in tasks_of(SHIPPED, [])}


def test_environments_keep_their_order_and_come_once():
    assert choose_envs(["B-v1,A-v1", "C-v1", "A-v1"], every=False) == ["B-v1", "A-v1", "C-v1"]
    assert choose_envs([], every=True) == all_tasks()
    assert len(all_tasks()) == 10
    with pytest.raises(UsageError, match="exclude each other"):
        choose_envs(["PickCube-v1"], every=True)
    with pytest.raises(UsageError, match="which environment"):
        choose_envs([" , "], every=False)


def test_a_goal_is_stored_of_tasks_alone_that_have_one():
    wish = ConvertRequest(goal="state")
    assert [recipe.goal for recipe in make_recipes(["PickCube-v1"], wish, V3, per_task=False)] == ["state"]
    with pytest.raises(UsageError, match="StackCube-v1 has no goal marker") as caught:
        make_recipes(["StackCube-v1"], wish, V3, per_task=False)
    assert caught.value.change == {"--goal": "visible"}


def test_of_several_tasks_those_are_left_that_have_a_goal_to_store(mstool, capsys):
    words = ["convert", "-e", "PushCube-v1,PickCube-v1", "-e", "StackCube-v1", "--goal", "state", "-n", "3"]
    assert mstool(*words) == 2
    said = capsys.readouterr().err
    assert "PushCube-v1, StackCube-v1 have no goal marker" in said
    assert said.endswith("fix: mstool convert --goal state -n 3 --env PickCube-v1\n")
    assert mstool("convert", "-e", "PushCube-v1,StackCube-v1", "--goal", "state") == 2
    assert capsys.readouterr().err.endswith("fix: mstool convert -e PushCube-v1,StackCube-v1 --goal visible\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--demos", "generate"], "has no motion-planning solution for 'AnymalC-Reach-v1'"),
        ([], "layout 'libero' is made for"),
        (["--demos", "hub", "--layout", "joint"], "layout 'joint' is made for"),
    ],
)
def test_what_an_environment_of_a_list_lacks_is_told_before_its_cameras(
    words, said, mstool, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert mstool("convert", "-e", "PickCube-v1,AnymalC-Reach-v1", *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "AnymalC-Reach-v1" in told
    assert told.endswith(f"fix: {shlex.join(['mstool', 'convert', *words, '--env', 'PickCube-v1'])}\n")


def test_an_environment_without_demos_or_planner_is_told_as_that(mstool, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mstool("convert", "-e", "AssemblingKits-v1", "--instruction", "fill the tray") == 2
    told = capsys.readouterr().err
    assert "AssemblingKits-v1: ManiSkill has no official demos of it and no planner" in told
    assert told.endswith("--demos FILE.h5\n")


def test_detail_that_a_benchmark_does_not_know_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(ManiSkill, "render_details", ("full",))
    with pytest.raises(UsageError, match="PickCube-v1: ManiSkill's meshes are drawn as they are") as caught:
        make_recipes(["PickCube-v1"], ConvertRequest(render_detail="fast"), V3, per_task=False)
    assert caught.value.change == {"--render-detail": None}


def test_nothing_is_generated_before_there_is_a_planner_for_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wish = ConvertRequest(layout="native", demos="generate", episodes=2)
    with pytest.raises(UsageError, match="no motion-planning solution for 'RollBall-v1'"):
        make_recipes(["PickCube-v1", "RollBall-v1"], wish, V3, per_task=True)


def test_a_manifests_entries_bring_their_own_words(manifest):
    recipes = make_recipes(tasks_of(manifest, []), ConvertRequest(), V3, per_task=True)
    assert [(r.env_id, r.instruction, r.horizon, r.views) for r in recipes] == [
        ("PullCube-v1", "pull it", 99, ("base",)),
        ("PickCube-v1", "pick it", 77, ("base", "wrist")),
    ]
    (only,) = tasks_of(manifest, ["PickCube-v1"])
    assert only.instruction == "pick it"
    with pytest.raises(UsageError, match="Did you mean PickCube-v1"):
        tasks_of(manifest, ["PickCub-v1"])
    with pytest.raises(UsageError, match="no manifest"):
        tasks_of(manifest.with_name("absent.yaml"), [])


def test_different_cameras_are_not_one_dataset(manifest):
    with pytest.raises(UsageError, match="same cameras") as error:
        make_recipes(tasks_of(manifest, []), ConvertRequest(), V3, per_task=False)
    assert error.value.fix == "add --per-task or --cameras base"
    assert len(make_recipes(tasks_of(manifest, []), ConvertRequest(cameras="base"), V3, per_task=False)) == 2


def test_one_sentence_for_several_tasks_is_refused():
    with pytest.raises(UsageError, match="--instruction is one task's sentence"):
        make_recipes(["PickCube-v1", "PushCube-v1"], ConvertRequest(instruction="do"), V3, per_task=False)


def test_every_target_is_checked_before_any_work(tmp_path):
    recipes = make_recipes(["PickCube-v1", "PushCube-v1"], ConvertRequest(), V3, per_task=True)
    (tmp_path / "PushCube-v1").mkdir()
    (tmp_path / "PushCube-v1" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="PushCube-v1 exists"):
        build(recipes, ConvertRequest(demos="generate"), tmp_path, repo_id="x/y", formats=V3, per_task=True)


def test_commands_say_what_is_missing(mstool, tmp_path, manifest, capsys):
    assert mstool("convert", "--output", tmp_path / "x") == 2
    assert "--env PickCube-v1" in capsys.readouterr().err
    assert mstool("build", manifest, "--output", tmp_path / "x") == 2
    assert "--cameras base" in capsys.readouterr().err
    assert mstool("convert", "-e", "PickCube-v1,PushCub-v1", "--output", tmp_path / "x") == 2
    assert "Did you mean PushCube-v1?" in capsys.readouterr().err


def test_native_takes_the_demos_control_mode(tmp_path):
    write_demo(tmp_path / "demos", "RollBall-v1", np.zeros((3, 8), np.float32))
    request = ConvertRequest(layout="native", instruction="roll it", demos=str(tmp_path / "demos"))
    recipes = make_recipes(["RollBall-v1"], request, V3, per_task=False)
    assert recipes[0].control_mode == ""
    (batch,) = open_batches(recipes, request, print)
    assert batch.recipe.control_mode == "pd_joint_delta_pos"


def test_actions_of_several_robots_are_put_side_by_side(tmp_path):
    left, right = np.full((4, 3), 1, np.float32), np.full((4, 2), 2, np.float32)
    modes = {"panda-0": "pd_joint_pos", "panda-1": "pd_joint_pos"}
    folder = write_demo(tmp_path, "TwoRobotPickCube-v1", {"panda-1": right, "panda-0": left}, per_episode=modes)
    demo = DemoFile(folder).read(0)
    np.testing.assert_array_equal(demo.actions, np.concatenate([left, right], axis=1))
    assert demo.control_mode == "pd_joint_pos"
    write_demo(tmp_path, "TwoRobotPickCube-v1", {"panda-0": left}, per_episode=modes | {"panda-1": "pd_ee_delta_pose"})
    with pytest.raises(DataError, match="a control mode per robot"):
        DemoFile(folder).read(0)
    write_demo(tmp_path, "TwoRobotPickCube-v1", {"panda-0": left, "panda-1": right[:3]})
    with pytest.raises(DataError, match="not one \\(steps, width\\) array per robot"):
        DemoFile(folder).read(0)
