"""The runner with workers that need no simulator: batches, crashes, retries."""

import numpy as np
import pytest
from support.conventions import three_episodes
from support.evaluation_workers import moody

from mstool.errors import DataError, SetupError
from mstool.evaluation.rollout import EvalJob
from mstool.evaluation.runner import Runner
from mstool.evaluation.worker import WorkerSetup


class Echo:
    """Answers with the observation's seed; says where and when it was asked."""

    name = "echo"

    def __init__(self, width=7):
        self.width = width
        self.slots = {}
        self.batches = []

    def reset(self, slot, env_id, seed):
        self.slots[slot] = seed

    def act(self, slots, observations):
        assert [self.slots[slot] for slot in slots] == [seen.seed for seen in observations]
        self.batches.append(len(slots))
        return [np.full((3, self.width), seen.seed, np.float32) for seen in observations]

    def close(self):
        pass


def run(seeds, workers=2, policy=None):
    policy = policy or Echo()
    runner = Runner(policy, WorkerSetup(three_episodes(), (), 20), workers, replan=2, serve=moody)
    jobs = [EvalJob("PickCube-v1", seed, "", 100) for seed in seeds]
    return {finished.outcome.seed: finished.outcome for finished in runner.run(jobs)}, runner


def test_crashes_are_retried_once_and_counted_apart():
    found, _ = run([1, 2, 3, 5, 6])
    assert sorted(found) == [1, 2, 3, 5, 6]
    assert not found[1].crashed
    assert found[1].success_once
    assert found[1].attempts == 2
    assert found[2].crashed
    assert "signal 9" in found[2].reason
    assert found[3].crashed
    assert found[3].reason == "ValueError: no good"
    assert found[5].attempts == 1
    assert found[5].success_once


def test_every_episode_gets_its_own_actions():
    policy = Echo()
    found, runner = run(range(10, 22), workers=3, policy=policy)
    assert all(outcome.success_once for outcome in found.values())
    assert runner.speed.answered == sum(policy.batches) == 24
    assert max(policy.batches) <= 3


def test_what_only_the_user_can_put_right_ends_the_run():
    with pytest.raises(SetupError, match="no device"):
        run([4, 5])


def test_actions_of_another_width_are_an_error():
    with pytest.raises(DataError, match=r"answered with shape \(3, 5\), not \(steps, 7\)"):
        run([5], policy=Echo(width=5))
