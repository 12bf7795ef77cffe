"""What ends a run is met early; what a run makes does not depend on the order of its work."""

import json
import shlex

import pytest
from conftest import DEMOS
from support.demos import edit_json
from support.shard_worker import make_shard

from mstool.dataset.fingerprint import content_hash
from mstool.dataset.target import locked, work_folder
from mstool.errors import DataError
from mstool.evaluation.outcomes import OutcomeLog
from mstool.evaluation.plan import EvalTask
from mstool.evaluation.play import play
from mstool.evaluation.runner import Speed
from mstool.maniskill2lerobot.executors.base import Done
from mstool.maniskill2lerobot.plan import ConvertRequest, build, make_recipes
from mstool.ordering import firsts_first

ENVS = ("PickCube-v1", "StackCube-v1", "PushCube-v1")
V3 = {"v3.0": "video"}


def run(root, executor, envs=ENVS, **more):
    request = ConvertRequest(demos=str(DEMOS), image_size="16")
    per_task = more.get("per_task", False)
    return build(
        make_recipes(envs, request, V3, per_task=per_task),
        request,
        root,
        repo_id="x/y",
        formats=V3,
        executor=executor,
        **more,
    )


def test_the_first_of_every_kind_comes_first():
    assert firsts_first(["a1", "a2", "b1", "b2", "a3", "c1"], lambda item: item[0]) == [
        "a1", "b1", "c1", "a2", "b2", "a3",
    ]  # fmt: skip
    assert firsts_first([], str) == []


@pytest.mark.parametrize("per_task", [False, True])
def test_an_environment_that_cannot_be_built_ends_the_run_before_a_second_episode_of_another(tmp_path, per_task):
    done = []

    def executor(jobs, workers):
        for job in jobs:
            if job.recipe.env_id == ENVS[-1]:
                raise DataError("cannot be built")
            done.append(job.recipe.env_id)
            yield Done(job, make_shard(job))

    with pytest.raises(DataError, match="cannot be built"):
        run(tmp_path / "data", executor, per_task=per_task)
    assert done == list(ENVS[:2])


def test_environments_that_do_not_fit_together_are_told_at_the_first_of_each(tmp_path):
    done = []

    def executor(jobs, workers):
        for job in jobs:
            mark = make_shard(job)
            if job.recipe.env_id == ENVS[1]:
                mark = type(mark)(**{**vars(mark), "controller": {**mark.controller, "fps": 7}})
            done.append(job)
            yield Done(job, mark)

    with pytest.raises(DataError, match="do not fit into one dataset: control frequency") as error:
        run(tmp_path / "data", executor)
    assert error.value.fix == "add --per-task: one dataset per environment"
    assert len(done) == 2


def test_the_order_of_the_work_is_not_that_of_the_dataset(tmp_path):
    def forwards(jobs, workers):
        return (Done(job, make_shard(job)) for job in jobs)

    def backwards(jobs, workers):
        return (Done(job, make_shard(job)) for job in reversed(jobs))

    run(tmp_path / "a", forwards)
    run(tmp_path / "b", backwards)
    log = (tmp_path / "a" / "meta" / "mstool" / "episodes.jsonl").read_text().splitlines()
    assert list(dict.fromkeys(json.loads(line)["env_id"] for line in log)) == list(ENVS)
    assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b")


def test_a_dataset_per_task_from_one_run(tmp_path):
    def executor(jobs, workers):
        return (Done(job, make_shard(job)) for job in jobs)

    reports = run(tmp_path / "each", executor, per_task=True)
    assert [report.env_ids for report in reports] == [(env_id,) for env_id in ENVS]
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == sorted(ENVS)


def test_a_failed_run_leaves_a_work_folder_only_for_finished_episodes(tmp_path):
    def nothing(jobs, workers):
        raise DataError("cannot be built")
        yield

    def one(jobs, workers):
        yield Done(jobs[0], make_shard(jobs[0]))
        raise DataError("no more")

    root = tmp_path / "data"
    for executor, left in ((nothing, 0), (one, 1), (nothing, 1)):
        with pytest.raises(DataError):
            run(root, executor, ENVS[:1])
        assert len(list(work_folder(root).glob("*/*/episode.json"))) == left
        assert work_folder(root).exists() == bool(left)


def test_an_interrupted_run_leaves_no_empty_work_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), locked(tmp_path / ".data.work", kept="*/episode.json"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_trajectories_that_the_json_does_not_list(mstool, demo_copy, tmp_path, capsys):
    edit_json(demo_copy, lambda d: d["episodes"].pop())
    words = ("convert", "--env", "PickCube-v1", "--demos", demo_copy, "--output", tmp_path / "out")
    assert mstool(*words) == 1
    err = capsys.readouterr().err
    assert "holds 1 trajectories that trajectory.json does not list" in err
    assert err.endswith(f"\nfix: {shlex.join(['mstool', *map(str, words), '--skip-invalid'])}\n")


def test_demos_of_an_environment_of_maniskill2(mstool, demo_copy, tmp_path, capsys):
    edit_json(demo_copy, lambda d: d["env_info"].update(env_id="PickCube-v0"))
    assert mstool("convert", "--env", "PickCube-v1", "--demos", demo_copy, "--output", tmp_path / "out") == 1
    err = capsys.readouterr().err
    assert "holds demos of PickCube-v0, which this ManiSkill does not have" in err
    assert err.endswith(f"fix: mstool convert --env PickCube-v1 --output {tmp_path / 'out'} --demos generate\n")


def test_a_damaged_pair_names_what_mends_it(mstool, demo_copy, tmp_path, capsys):
    (demo_copy / "trajectory.json").write_text("")
    assert mstool("convert", "--env", "PickCube-v1", "--demos", demo_copy, "--output", tmp_path / "out") == 1
    err = capsys.readouterr().err
    assert "trajectory.json is empty" in err
    assert err.endswith(f"fix: mstool convert --env PickCube-v1 --output {tmp_path / 'out'} --demos generate\n")


def test_an_evaluation_runs_one_episode_of_every_task_first(tmp_path):
    class Runner:
        workers, speed = 1, Speed()

        def run(self, jobs):
            self.jobs = [(job.env_id, job.seed) for job in jobs]
            return iter(())

    tasks = [EvalTask("PickCube-v1", "pick", 50, (1, 2)), EvalTask("StackCube-v1", "stack", 90, (3, 4))]
    runner, logs = Runner(), {task.env_id: OutcomeLog(tmp_path, task.env_id) for task in tasks}
    play(tasks, logs, runner, tmp_path, fresh=False, notify=print)
    assert runner.jobs == [("StackCube-v1", 3), ("PickCube-v1", 1), ("StackCube-v1", 4), ("PickCube-v1", 2)]
