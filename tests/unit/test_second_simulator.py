"""Another simulator is one folder and a line in `BENCHMARKS`: nothing else has to know of it."""

import numpy as np
import pytest
from support.toy_simulator import ENV, MODE, Toy, ToyController

from mstool.contract import ControllerFacts
from mstool.dataset.conventions import load_conventions
from mstool.dataset.record import read_record
from mstool.dataset.vectors import actions_of
from mstool.dataset.view import DatasetView
from mstool.errors import UsageError
from mstool.evaluation.default_conventions import plain_conventions
from mstool.evaluation.plan import choose_envs, plan_replay
from mstool.evaluation.policies.baselines import RandomPolicy, ReplayPolicy
from mstool.evaluation.policy import Observation
from mstool.evaluation.replay_dataset import replay_dataset
from mstool.evaluation.rollout import EvalJob
from mstool.evaluation.worker import EvalWorker, WorkerSetup
from mstool.layouts import get_layout
from mstool.maniskill2lerobot import plan
from mstool.maniskill2lerobot.convert import SPEED_HINT
from mstool.maniskill2lerobot.executors.base import Done
from mstool.maniskill2lerobot.executors.job import ConvertWorker
from mstool.maniskill2lerobot.plan import ConvertRequest, build, make_recipes
from mstool.simulators import apart, benchmarks
from mstool.simulators.maniskill.benchmark import ManiSkill
from mstool.validators.runner import validate

FORMATS = {"v2.1": "image"}


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmarks, "BENCHMARKS", [Toy(), ManiSkill()])
    # Workers are processes of their own, which do not know it.
    monkeypatch.setattr(plan, "check_buildable", apart._build)
    monkeypatch.chdir(tmp_path)


def in_process(jobs, _workers):
    worker = ConvertWorker()
    yield from (Done(job, worker.do(job)) for job in jobs)
    worker.close()


@pytest.fixture
def dataset(toy, tmp_path):
    request = ConvertRequest(layout="droid", image_size="32", instruction="point there", demos="generate", episodes=4)
    said = []
    (report,) = build(
        make_recipes([ENV], request, FORMATS, per_task=False),
        request,
        tmp_path / "toy",
        repo_id="me/toy",
        formats=FORMATS,
        executor=in_process,
        notify=said.append,
    )
    assert report.converted == 4
    # It draws on the processor, in the one way that it has.
    assert SPEED_HINT not in said
    return report.root


def test_its_demos_become_a_dataset_in_a_layout_that_never_heard_of_it(dataset):
    record = read_record(dataset)
    assert record.robot == "toy_panda"
    assert record.controller["joint_rad"] == 0.04
    data = DatasetView(dataset)
    for rows in data.rows():
        stored = actions_of(data, rows)
        # DROID's units, 3 rad/s and 1 for closed, of 0.04 rad in a 20th of a second and -1 for open.
        assert np.abs(stored[:-1, 0]).max() == pytest.approx(0.04 * 20 / 3)
        assert not stored[:, 7].any()


def test_it_validates(dataset):
    # Files, time, meaning, statistics and record; six of its joints stand still, which is another matter.
    report = validate(dataset, against="maniskill", select=("MS1", "MS2", "MS5", "MS6", "MS8"))
    assert report.valid, report.flatten()


def test_stored_actions_solve_its_tasks_again(dataset):
    conventions = load_conventions(dataset)
    data = DatasetView(dataset)
    actions = [actions_of(data, rows) for rows in data.rows()]
    assert replay_dataset(conventions.record, conventions.episodes, actions) == dict.fromkeys(range(4), True)


class Pipe:
    """Answers a worker's observations in its own process."""

    def __init__(self, policy, env_id, seed):
        self.policy = policy
        policy.reset(0, env_id, seed)

    def send(self, observation):
        assert isinstance(observation, Observation)
        self.seen = observation

    def recv(self):
        return self.policy.act([0], [self.seen])[0]


def test_policies_run_in_it(dataset):
    conventions = load_conventions(dataset)
    (task,) = plan_replay(choose_envs([], None, conventions), conventions, None)
    for job in task.jobs():
        worker = EvalWorker(
            WorkerSetup(conventions, ("base",), None), Pipe(ReplayPolicy(dataset, conventions), ENV, job.seed)
        )
        assert worker.do(job).outcome.success_once
        worker.close()
    plain = plain_conventions([ENV], "droid")
    worker = EvalWorker(WorkerSetup(plain, (), None), Pipe(RandomPolicy(plain), ENV, 7))
    assert worker.do(EvalJob(ENV, 7, "", 20)).outcome.steps == 20
    planner = EvalWorker(WorkerSetup(None, (), None), None)
    assert planner.do(EvalJob(ENV, 7, "", 20)).outcome.success_once


def test_a_command_comes_back_to_the_bit():
    droid = get_layout("droid")
    controller = ToyController(ControllerFacts(20, joint_rad=0.04))
    stored = droid.encode_action(np.random.default_rng(0).uniform(-1, 1, (50, 8)).astype(np.float32), controller, MODE)
    executed = droid.decode_action(stored, controller, MODE)
    np.testing.assert_array_equal(droid.encode_action(executed, controller, MODE), stored)


def test_names_go_to_the_benchmark_that_claims_them():
    assert benchmarks.benchmark_of(ENV).name == "Toy"
    assert benchmarks.benchmark_of("PickCube-v1").name == "ManiSkill"
    with pytest.raises(UsageError, match="no toy environment"):
        choose_envs(["toy/nothing"], None, None)
