"""What an interrupted conversion left, looked at before any work."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from mstool.maniskill2lerobot.episode.mismatch import Mismatch, refusal
from mstool.maniskill2lerobot.episode.shard import read_mark
from mstool.maniskill2lerobot.executors.job import ConvertJob
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.demos import Demos


def clear(work: Path) -> None:
    """Forget what is finished; the lock in `work` stays held."""
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def check_finished(jobs: Sequence[ConvertJob], work: Path) -> None:
    """Check that the finished shards in `work` are what the jobs would make.

    Raises
    ------
    UsageError
        Some are not: the error names what changed.

    """
    opened: dict[Path, Demos] = {}
    mismatches = []
    for job in jobs:
        mark = read_mark(job.shard)
        if mark is None:
            continue
        if job.demos not in opened:
            opened[job.demos] = benchmark_of(job.recipe.env_id).open_demos(job.demos)
        demo = job.recipe.of(opened[job.demos].read(job.position))
        if mark.fingerprint != job.recipe.fingerprint(demo):
            mismatches.append(Mismatch(demo.episode_id, mark.made_from, job.recipe.made_from(demo)))
    if mismatches:
        raise refusal(work, mismatches)


def sweep(work: Path) -> None:
    """Remove what killed workers left unfinished."""
    for path in work.glob("*/.episode_*"):
        shutil.rmtree(path, ignore_errors=True)
