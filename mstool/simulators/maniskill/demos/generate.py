"""Make demos instead of downloading them: ManiSkill's own solutions, from as many seeds as it takes.

Every attempt of the planner is kept in a work folder beside the output until there are enough: an interrupted run goes
on by itself.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from mstool import __version__
from mstool.errors import UsageError
from mstool.folders import writing_alone
from mstool.paths import as_file_name, quoted, writable_folder
from mstool.seeds import check_number
from mstool.simulators.attempt_files import RECORDS, kept_attempts
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import GenerateReport, Rollout
from mstool.simulators.enough import coming, failures, take_enough, told_of_interrupts
from mstool.simulators.maniskill.correct import Corrector
from mstool.simulators.maniskill.demos.team import FILES, Alone, Repeats, Team, put_together
from mstool.simulators.maniskill.record import DemoRecorder
from mstool.simulators.maniskill.solve import check_solvable

# Give up after this many failures in a row; the hardest task, PlaceSphere, solves half of its seeds.
HOPELESS = 50
# Episodes that are worth a process of their own: starting one takes as long as planning about this many.
WORTH_A_WORKER = 10


def generate_demos(
    env_id: str,
    *,
    episodes: int,
    seed: int = 0,
    out_dir: str | Path,
    overwrite: bool = False,
    workers: int | None = None,
    robot: str | None = None,
    disturb: float = 0.0,
) -> GenerateReport:
    """Solve consecutive seeds until there are enough successes, and write them as ManiSkill would.

    The same arguments give the same bytes, for any number of workers. The pair of files appears in `out_dir` at the
    end, whole; an interruption or a failure leaves `out_dir` as it was, and the next run goes on with what was
    attempted.

    Parameters
    ----------
    env_id
        An environment that ManiSkill has a solution for.
    episodes
        How many successful episodes to keep.
    seed
        The first seed to try, 0 or more.
    out_dir
        Folder for `trajectory.h5` and `trajectory.json`; made if it is missing.
    overwrite
        Whether to replace a pair that is there.
    workers
        Processes; None takes one per core, as far as there is work for them.
    robot
        ManiSkill's name of a robot that there is a solution with; None takes the environment's own.
    disturb
        Share of the seeds, 0 to 1, on which the hand is taken away before one of the planner's motions; the demo begins
        after that and leads back. From their seeds, the actions of these do not solve the task.

    Raises
    ------
    UsageError
        No solution for the environment and robot, a number out of range, a pair is there and `overwrite` is False, or
        another run makes the same.
    MstoolError
        Too many seeds failed: 50 in a row, or all but a few of max(50, 20 * episodes).

    """
    check_solvable(env_id, robot)
    if not 0 <= disturb <= 1:
        raise UsageError(
            f"--disturb is a share of the seeds, 0 to 1, not {disturb:g}",
            fix=f"mstool demos generate --env {env_id} --disturb 0.3",
            change={"--disturb": 0.3},
        )
    processes = workers or min(len(os.sched_getaffinity(0)), -(-episodes // WORTH_A_WORKER))

    def crew(work: Path, scratch: Path) -> Alone | Team:
        number = min(processes, episodes)
        make = partial(DemoRecorder, env_id, robot=robot, disturb=disturb)
        return Team(number, work, scratch, make) if number > 1 else Alone(work, scratch, make)

    out_dir = Path(out_dir)
    _check(f"mstool demos generate --env {env_id}", episodes, seed, out_dir, overwrite=overwrite)
    # What was attempted otherwise, or by another version, is no attempt of this one.
    made_by = __version__, version("mani_skill"), version("sapien"), robot or "", f"{disturb:g}"
    name = as_file_name("-".join([env_id, *filter(None, made_by)]))
    work = out_dir.parent / f".{out_dir.name}.work" / name
    with writing_alone(out_dir, RECORDS), kept_attempts(work), told_of_interrupts(out_dir, work):
        return _make(env_id, crew, episodes, seed, out_dir, work)


def record_demos(
    spec: SimulatorSpec,
    rollouts: Iterator[Rollout],
    *,
    source: str,
    episodes: int,
    seed: int,
    out_dir: str | Path,
    overwrite: bool = False,
) -> GenerateReport:
    """Write what a policy did as `generate_demos` writes what the planner did; see `Benchmark.record`."""

    def crew(work: Path, scratch: Path) -> Repeats:
        return Repeats(spec, rollouts, source, work, scratch)

    command = f"mstool demos generate --env {spec.env_id} --policy {quoted(source)}"
    return _make_of_rollouts(command, spec.env_id, crew, episodes, seed, Path(out_dir), overwrite=overwrite)


def correct_demos(
    spec: SimulatorSpec,
    rollouts: Iterator[Rollout],
    *,
    source: str,
    episodes: int,
    seed: int,
    out_dir: str | Path,
    overwrite: bool = False,
    workers: int | None = None,
) -> GenerateReport:
    """Write how the planner goes on from where a policy came to, as `generate_demos` writes what it does from a seed.

    See `Benchmark.correct`.
    """
    check_solvable(spec.env_id, spec.robot)
    number = min(workers or len(os.sched_getaffinity(0)), episodes)

    def crew(work: Path, scratch: Path) -> Alone | Team:
        make = partial(Corrector, spec, source)
        return Team(number, work, scratch, make, rollouts) if number > 1 else Alone(work, scratch, make, rollouts)

    command = f"mstool demos generate --env {spec.env_id} --policy {quoted(source)} --correct"
    report = _make_of_rollouts(command, spec.env_id, crew, episodes, seed, Path(out_dir), overwrite=overwrite)
    return replace(report, disturbed=report.episodes)


def _make_of_rollouts(
    command: str,
    env_id: str,
    crew: Callable[[Path, Path], Alone | Team | Repeats],
    episodes: int,
    seed: int,
    out_dir: Path,
    *,
    overwrite: bool,
) -> GenerateReport:
    """Make demos of what a policy did; an interrupted run keeps no attempts, for it has to act again."""
    _check(command, episodes, seed, out_dir, overwrite=overwrite)
    with (
        writing_alone(out_dir, RECORDS),
        TemporaryDirectory(prefix=f".{out_dir.name}.", dir=out_dir.parent) as work,
        told_of_interrupts(out_dir, None),
    ):
        return _make(env_id, crew, episodes, seed, out_dir, Path(work))


def _make(
    env_id: str,
    crew: Callable[[Path, Path], Alone | Team | Repeats],
    episodes: int,
    seed: int,
    out_dir: Path,
    work: Path,
) -> GenerateReport:
    started = time.monotonic()
    # In the folder beside the target, because a rename is only atomic within one file system.
    with TemporaryDirectory(prefix=".run-", dir=work) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        with crew(work, Path(scratch)) as attempting, closing(coming(work, count(seed), attempting.attempts)) as found:
            attempts = take_enough(env_id, found, episodes, seed, hopeless=HOPELESS)
        kept = [attempt for attempt in attempts if attempt.success]
        put_together(work, kept, new)
        _install(new, out_dir, backup=Path(scratch) / "old")
    return GenerateReport(
        env_id=env_id,
        h5=out_dir / FILES[0],
        json=out_dir / FILES[1],
        seeds=tuple(attempt.seed for attempt in kept),
        steps=tuple(attempt.steps - attempt.left_out for attempt in kept),
        disturbed=sum(attempt.left_out > 0 for attempt in kept),
        failures=failures(attempts),
        seconds=time.monotonic() - started,
    )


def _check(command: str, episodes: int, seed: int, out_dir: Path, *, overwrite: bool) -> None:
    command += f" --episodes {max(episodes, 1)} --seed {max(seed, 0)}"
    if episodes < 1:
        raise UsageError(f"--episodes must be 1 or more, not {episodes}", fix=command, change={"--episodes": 1})
    if seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {seed}", fix=command, change={"--seed": 0})
    check_number(seed, "--seed")
    writable_folder(out_dir, "--output", beside=True)
    there = [name for name in FILES if (out_dir / name).exists()]
    if there and not overwrite:
        raise UsageError(
            f"{out_dir} already holds {' and '.join(there)}",
            fix=f"{command} --output {quoted(out_dir)} --overwrite",
            change={"--overwrite": True},
        )


def _install(made: Path, out_dir: Path, *, backup: Path) -> None:
    """Move the pair in `made` to `out_dir`; on any failure, an interrupt included, put back what was there."""
    if not out_dir.exists():
        made.rename(out_dir)
        return
    backup.mkdir()
    try:
        for name in FILES:
            if (out_dir / name).exists():
                (out_dir / name).rename(backup / name)
        for name in FILES:
            (made / name).rename(out_dir / name)
    except BaseException:
        for name in FILES:
            (out_dir / name).unlink(missing_ok=True)
            if (backup / name).exists():
                shutil.move(backup / name, out_dir / name)
        raise
