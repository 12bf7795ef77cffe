"""Worker main functions for tests; spawned processes import them by name."""

import gc
import os
import signal
import threading

from mstool.errors import SetupError
from mstool.maniskill2lerobot.episode.shard import EpisodeMark


def mark(job):
    return EpisodeMark(fingerprint="f", source_episode=job.position, seed=0, source_steps=1, frames=1)


def attempts(job) -> int:
    """Count how often this job was tried, on disk: the processes that try it die."""
    job.shard.mkdir(parents=True, exist_ok=True)
    before = len(list(job.shard.iterdir()))
    (job.shard / str(before)).touch()
    return before + 1


def moody(pipe):
    """Odd positions kill their worker at the first attempt, 2 raises always, 4 dies always, 6 needs the user."""
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        first = attempts(job) == 1
        if job.position == 4 or (job.position % 2 and first):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.position == 2:
            pipe.send("Traceback\nValueError: no good")
        elif job.position == 6:
            pipe.send(SetupError("no device"))
        else:
            pipe.send(mark(job))


def say_what_you_are(pipe, *names):
    """Answer with this process, what it sees of its environment, whether it collects garbage, and its threads."""
    seen = {name: os.environ.get(name) for name in names}
    pipe.send((os.getpid(), seen, gc.isenabled(), threading.active_count()))
    pipe.poll(None)  # until the one who asked is gone
