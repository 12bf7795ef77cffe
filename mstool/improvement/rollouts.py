"""Episodes by `eval`'s own workers, a round at a time, on a thread of their own: sampling and learning overlap.

A round's episodes are all played by what was there when the round began, and come in the order of their seeds.
What is learnt therefore does not depend on which worker was faster.
"""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from mstool.dataset.conventions import Conventions
from mstool.errors import DataError
from mstool.evaluation.outcomes import Outcome
from mstool.evaluation.rollout import EvalJob
from mstool.evaluation.runner import Runner
from mstool.evaluation.scene import dataset_views
from mstool.evaluation.worker import WorkerSetup
from mstool.improvement.acting import ActingPolicy
from mstool.improvement.method import Act
from mstool.improvement.rows import Episode


@dataclass(frozen=True)
class Round:
    """The episodes of a round, by seed, who played each, and how they ended."""

    episodes: list[Episode]
    players: list[str]
    outcomes: list[Outcome]
    seconds: float

    @property
    def steps(self) -> int:
        """Control steps that were simulated."""
        return sum(outcome.steps for outcome in self.outcomes)


class Rollouts:
    """Workers that stay from round to round.

    Parameters
    ----------
    policy
        Who answers them.
    conventions
        What the policy was trained on.
    workers
        How many processes simulate.
    replan
        Actions executed of each chunk.
    hold
        Steps that go on after the first success.

    """

    def __init__(self, policy: ActingPolicy, conventions: Conventions, workers: int, replan: int, hold: int) -> None:
        self._policy = policy
        setup = WorkerSetup(conventions, dataset_views(conventions), hold)
        self._runner = Runner(policy, setup, workers, replan, keep=True)
        # One thread for good: workers end with the thread that started them.
        self._thread = ThreadPoolExecutor(1)

    def begin(self, jobs: Mapping[EvalJob, str], acts: Mapping[str, Act]) -> "Future[Round]":
        """Begin a round: each episode with who plays it, and how they act; no other may be under way."""
        return self._thread.submit(self._play, jobs, acts)

    def close(self) -> None:
        """End the workers, and a round that is under way."""
        self._policy.cancelled = True
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def _play(self, jobs: Mapping[EvalJob, str], acts: Mapping[str, Act]) -> Round:
        started = time.monotonic()
        players = {(job.env_id, job.seed): player for job, player in jobs.items()}
        self._policy.acts, self._policy.players = acts, players
        self._policy.traces.clear()
        played = {finished.outcome.key: finished for finished in self._runner.run(list(jobs))}
        episodes, outcomes = [], []
        for job in jobs:
            finished = played[job.env_id, job.seed]
            if finished.outcome.crashed or finished.solved is None or not len(finished.solved):
                continue
            outcomes.append(finished.outcome)
            episodes.append(self._policy.traces[finished.outcome.key].episode(finished.solved))
        if not episodes:
            reason = next(iter(played.values())).outcome.reason
            raise DataError(f"no episode of a round ran: {reason}", fix="mstool doctor")
        who = [players[outcome.key] for outcome in outcomes]
        return Round(episodes, who, outcomes, time.monotonic() - started)
