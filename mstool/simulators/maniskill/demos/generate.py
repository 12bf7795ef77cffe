"""Make demos instead of downloading them: ManiSkill's own solutions, from as many seeds as it takes.

Every attempt of the planner is kept in a work folder beside the output until there are enough: an interrupted run goes
on by itself.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from mstool import __version__
from mstool.errors import MstoolError, UsageError
from mstool.paths import as_file_name, quoted, writable_folder
from mstool.progress import Progress
from mstool.simulators.attempt_files import attempts_in, kept_attempts
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, GenerateReport, Rollout, most_attempts
from mstool.simulators.maniskill.demos.team import FILES, Alone, Repeats, Team, put_together
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
        keeps = env_id, work, scratch, robot, disturb
        return Team(number, *keeps) if number > 1 else Alone(*keeps)

    out_dir = Path(out_dir)
    _check(f"mstool demos generate --env {env_id}", episodes, seed, out_dir, overwrite=overwrite)
    # What was attempted otherwise, or by another version, is no attempt of this one.
    made_by = __version__, version("mani_skill"), version("sapien"), robot or "", f"{disturb:g}"
    name = as_file_name("-".join([env_id, *filter(None, made_by)]))
    work = out_dir.parent / f".{out_dir.name}.work" / name
    with kept_attempts(work), _told_of_interrupts(out_dir, work):
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

    out_dir = Path(out_dir)
    command = f"mstool demos generate --env {spec.env_id} --policy {quoted(source)}"
    _check(command, episodes, seed, out_dir, overwrite=overwrite)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    scratch = TemporaryDirectory(prefix=f".{out_dir.name}.", dir=out_dir.parent)
    with scratch as work, _told_of_interrupts(out_dir, None):
        return _make(spec.env_id, crew, episodes, seed, out_dir, Path(work))


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
        made = Path(scratch) / "new"
        made.mkdir()
        with crew(work, Path(scratch)) as attempting:
            attempts = _enough(env_id, _coming(work, attempting, seed), episodes, seed)
        kept = [attempt for attempt in attempts if attempt.success]
        put_together(work, kept, made)
        _install(made, out_dir, backup=Path(scratch) / "old")
    return GenerateReport(
        env_id=env_id,
        h5=out_dir / FILES[0],
        json=out_dir / FILES[1],
        seeds=tuple(attempt.seed for attempt in kept),
        steps=tuple(attempt.steps - attempt.left_out for attempt in kept),
        disturbed=sum(attempt.left_out > 0 for attempt in kept),
        failures=_count(attempts),
        seconds=time.monotonic() - started,
    )


def _coming(work: Path, crew: Alone | Team | Repeats, first: int) -> Iterator[Attempt]:
    """Yield the attempts from the `first` seed on: those of an earlier run, then new ones."""
    done = attempts_in(work)
    new = crew.attempts(seed for seed in count(first) if seed not in done)
    for seed in count(first):
        attempt = done[seed] if seed in done else next(new, None)
        if attempt is None:
            return
        yield attempt


@contextmanager
def _told_of_interrupts(out_dir: Path, work: Path | None) -> Iterator[None]:
    """Say what Ctrl-C leaves: the attempts in `work`, or nothing."""
    try:
        yield
    except KeyboardInterrupt:
        if work is None:
            raise MstoolError(
                f"interrupted: {out_dir} is as it was, and demos that are not complete are not kept",
                fix="run the same command again: the same seeds give the same demos",
            ) from None
        kept = len(attempts_in(work))
        raise MstoolError(
            f"interrupted: {out_dir} is as it was; {kept} seeds that were attempted are kept",
            fix="run the same command again: it goes on with them",
        ) from None


def _check(command: str, episodes: int, seed: int, out_dir: Path, *, overwrite: bool) -> None:
    command += f" --episodes {max(episodes, 1)} --seed {max(seed, 0)}"
    if episodes < 1:
        raise UsageError(f"--episodes must be 1 or more, not {episodes}", fix=command, change={"--episodes": 1})
    if seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {seed}", fix=command, change={"--seed": 0})
    writable_folder(out_dir, "--output", beside=True)
    there = [name for name in FILES if (out_dir / name).exists()]
    if there and not overwrite:
        raise UsageError(
            f"{out_dir} already holds {' and '.join(there)}",
            fix=f"{command} --output {quoted(out_dir)} --overwrite",
            change={"--overwrite": True},
        )


def _enough(env_id: str, coming: Iterator[Attempt], episodes: int, seed: int) -> list[Attempt]:
    """Take attempts, in the order of seeds, until enough were solved; MstoolError when it is hopeless."""
    attempts: list[Attempt] = []
    kept = in_a_row = 0
    with Progress(env_id, episodes, "episode") as progress:
        while kept < episodes:
            hopeless = in_a_row >= HOPELESS or len(attempts) >= most_attempts(episodes)
            attempt = None if hopeless else next(coming, None)
            if attempt is None:
                raise _given_up(env_id, attempts, episodes, seed, in_a_row)
            attempts.append(attempt)
            if attempt.success:
                kept, in_a_row = kept + 1, 0
                progress.update()
            else:
                in_a_row += 1
                progress.note = f"{len(attempts) - kept} failed"
    return attempts


def _given_up(env_id: str, attempts: list[Attempt], episodes: int, seed: int, in_a_row: int) -> MstoolError:
    kept = sum(attempt.success for attempt in attempts)
    reasons = ", ".join(f"{reason} {count}" for reason, count in _count(attempts).items())
    failed = f", the last {in_a_row} seeds all failed" if in_a_row else ""
    return MstoolError(
        f"{env_id}: gave up after {len(attempts)} seeds from {seed} with {kept} of {episodes} "
        f"episodes solved{failed}" + (f" ({reasons})" if reasons else ""),
        fix="start from another seed (--seed) or ask for fewer episodes (--episodes)",
    )


def _count(attempts: list[Attempt]) -> dict[str, int]:
    return dict(Counter(attempt.failure for attempt in attempts if not attempt.success).most_common())


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
