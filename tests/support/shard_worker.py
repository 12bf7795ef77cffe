"""A worker main function that makes synthetic shards and dies at one episode; spawned processes import it by name."""

import json
import os
import shutil
import signal
from dataclasses import asdict, replace

from mstool.maniskill2lerobot.episode.shard import MARKER, read_mark
from mstool.simulators.maniskill.demos.reader import DemoFile
from support.shards import make_episode

CRASHES = 2


def make_shard(job):
    """Put a complete shard where a conversion would, made of random rows and pictures."""
    if (done := read_mark(job.shard)) is not None:
        return done
    made = make_episode(job.shard.parent / ".made", seed=job.position, size=job.recipe.image_size)
    demo = DemoFile(job.demos).read(job.position)
    mark = replace(made.mark, fingerprint=job.recipe.fingerprint(demo), made_from=job.recipe.made_from(demo))
    (made.shard / MARKER).write_text(json.dumps(asdict(mark)))
    shutil.rmtree(job.shard, ignore_errors=True)
    made.shard.rename(job.shard)
    return mark


def crash_once_and_again(pipe):
    """Episode `CRASHES` kills its process at every attempt, as a segmentation fault does."""
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        if job.position == CRASHES:
            os.kill(os.getpid(), signal.SIGSEGV)
        pipe.send(make_shard(job))
