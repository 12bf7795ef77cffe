"""An evaluation's simulation without a simulator: the commands around it are real."""

from mstool.evaluation.outcomes import Outcome
from mstool.evaluation.runner import Speed
from mstool.evaluation.worker import Finished

RUNNER = "mstool.evaluation.evaluate.Runner"


class Simulation:
    """Takes the runner's place: solves odd seeds; those of `dies` have no outcome."""

    workers, speed = 1, Speed()
    dies: frozenset[int] = frozenset()

    def __init__(self, *_):
        """Take what a runner takes."""

    def run(self, jobs):
        for job in jobs:
            solved, dead = job.seed % 2 == 1, job.seed in self.dies
            outcome = Outcome(job.env_id, job.seed, solved, solved, job.horizon, None, 0.1, crashed=dead)
            yield Finished(outcome)
