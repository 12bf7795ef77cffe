"""Worker main functions for tests of the runner: no simulator; spawned processes import them by name."""

import os
import signal

import numpy as np

from mstool.errors import SetupError
from mstool.evaluation.outcomes import Outcome
from mstool.evaluation.policy import Observation
from mstool.evaluation.worker import Finished


def moody(pipe, setup):
    """Seed 1 kills its worker at the first attempt, 2 always, 3 raises always, 4 needs the user; others ask twice."""
    while True:
        try:
            job, attempt = pipe.recv()
        except EOFError:
            return
        if job.seed == 2 or (job.seed == 1 and attempt == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.seed == 3:
            pipe.send("Traceback\nValueError: no good\n")
            continue
        if job.seed == 4:
            pipe.send(SetupError("no device"))
            continue
        got = []
        for step in (0, 2):
            pipe.send(Observation({}, np.zeros(8, np.float32), "", job.env_id, job.seed, step))
            got.append(pipe.recv())
        # The actions say whose they are: nobody got another's.
        solved = all((actions == job.seed).all() and len(actions) == 2 for actions in got)
        outcome = Outcome(job.env_id, job.seed, solved, solved, 4, 4 if solved else None, 0.1, attempts=attempt)
        pipe.send(Finished(outcome))
