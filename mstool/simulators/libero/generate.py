"""Demos of the scripted expert or of a policy, in LIBERO's own kind of file.

Every attempt of the expert is kept in a work folder beside the output until there are enough: an interrupted run goes
on by itself.
"""

import json
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

import h5py

from mstool import __version__
from mstool.contract import State
from mstool.errors import UsageError
from mstool.folders import writing_alone
from mstool.paths import as_file_name, quoted, writable_folder
from mstool.progress import notify
from mstool.simulators.attempt_files import RECORDS, attempt_file, kept_attempts
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.capacity import auto_workers
from mstool.simulators.demos import Attempt, GenerateReport, Rollout
from mstool.simulators.enough import coming, failures, take_enough, told_of_interrupts
from mstool.simulators.hdf5_writing import check_room
from mstool.simulators.libero.attempts import copy_attempt, write_attempt
from mstool.simulators.libero.demos import RECORDED, SUFFIX
from mstool.simulators.libero.environment import SAMPLED, LiberoSimulator, check_seed
from mstool.simulators.libero.expert import LiberoExpert, check_solvable
from mstool.simulators.libero.tasks import find_task
from mstool.simulators.seed_workers import SeedWorkers, serve_seeds

# Give up after this many failures in a row.
HOPELESS = 20
# Episodes that are worth a process of their own: LIBERO's import takes as long as solving one.
WORTH_A_WORKER = 2


def generate_demos(
    env_id: str, *, episodes: int, seed: int, out_dir: Path, overwrite: bool = False, workers: int | None = None
) -> GenerateReport:
    """Solve consecutive seeds until there are enough successes; the same bytes for any number of workers.

    Parameters
    ----------
    env_id
        A task that the expert is made for.
    episodes
        How many successful episodes to keep.
    seed
        The first seed to try: from 1000 on a placement of LIBERO's sampler, below 50 one of its initial states.
    out_dir
        Folder for `TASK_demo.hdf5`; made if it is missing.
    overwrite
        Whether to replace a file that is there.
    workers
        Processes; None takes one per core, as far as memory reaches and there is work for them.

    Raises
    ------
    UsageError
        No expert for the task, a number out of range, or the file is there and `overwrite` is False.
    MstoolError
        Too many seeds in a row failed, or there are no more.

    """
    check_solvable(env_id)
    path = _place(env_id, "", episodes, seed, out_dir, overwrite=overwrite)
    # What was attempted by another version is no attempt of this one.
    work = out_dir.parent / f".{out_dir.name}.work" / f"{as_file_name(env_id)}-{__version__}-mujoco{version('mujoco')}"
    number = workers or min(auto_workers(), -(-episodes // WORTH_A_WORKER))
    seeds = range(seed, sys.maxsize if seed >= SAMPLED else len(find_task(env_id).initial_states()))
    new = partial(_attempts, env_id, work, min(number, episodes))
    with (
        writing_alone(path, RECORDS),
        kept_attempts(work),
        told_of_interrupts(path, work),
        closing(coming(work, seeds, new)) as attempts,
    ):
        return _make(env_id, "", attempts, episodes, seed, work, path)


def record_demos(
    spec: SimulatorSpec,
    rollouts: Iterator[Rollout],
    *,
    source: str,
    episodes: int,
    seed: int,
    out_dir: Path,
    overwrite: bool = False,
) -> GenerateReport:
    """Write what a policy did as `generate_demos` writes what the expert did; see `Benchmark.record`."""
    path = _place(spec.env_id, source, episodes, seed, out_dir, overwrite=overwrite)
    with (
        writing_alone(path, RECORDS),
        tempfile.TemporaryDirectory(prefix=f".{out_dir.name}.", dir=out_dir.parent) as work,
        told_of_interrupts(path, None),
        closing(_repeated(spec, rollouts, Path(work))) as attempts,
    ):
        return _make(spec.env_id, source, attempts, episodes, seed, Path(work), path)


class Recorder:
    """The expert, which writes every attempt into a folder."""

    def __init__(self, env_id: str, folder: Path) -> None:
        self._expert, self._folder = LiberoExpert(env_id), folder

    def attempt(self, seed: int) -> Attempt:
        """Try one seed."""
        attempt = self._expert.solve(seed)
        write_attempt(self._folder, attempt, self._expert.actions, self._expert.states)
        return attempt

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self._expert.close()


def _place(env_id: str, source: str, episodes: int, seed: int, out_dir: Path, *, overwrite: bool) -> Path:
    """Return where the file goes, once that and the numbers are checked."""
    path = out_dir / f"{find_task(env_id).name}{SUFFIX}"
    policy = f" --policy {quoted(source)}" if source else ""
    command = f"mstool demos generate --env {env_id}{policy} --episodes {max(episodes, 1)} --seed {max(seed, 0)}"
    if episodes < 1 or seed < 0:
        raise UsageError(
            "--episodes must be 1 or more and --seed 0 or more",
            fix=command,
            change={"--episodes": max(episodes, 1), "--seed": max(seed, 0)},
        )
    check_seed(env_id, seed, option="--seed")
    if seed < SAMPLED:
        notify()(
            f"--seed {seed}: LIBERO's initial states below {SAMPLED} are what policies are evaluated on; one that "
            "trains on these demos has seen them"
        )
    writable_folder(out_dir, "--output", beside=True)
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path} is there already",
            fix=f"{command} --output {quoted(out_dir)} --overwrite",
            change={"--overwrite": True},
        )
    return path


def _make(
    env_id: str, source: str, attempts: Iterator[Attempt], episodes: int, seed: int, work: Path, path: Path
) -> GenerateReport:
    """Take attempts, whose files are in `work`, until there are enough, and write `path` of them."""
    started = time.monotonic()
    taken = take_enough(env_id, attempts, episodes, seed, hopeless=HOPELESS)
    solved = [attempt for attempt in taken if attempt.success]
    aside = work / path.name
    _put_together(env_id, source, work, solved, aside)
    aside.replace(path)
    return GenerateReport(
        env_id=env_id,
        h5=path,
        json=path,
        seeds=tuple(attempt.seed for attempt in solved),
        steps=tuple(attempt.steps for attempt in solved),
        failures=failures(taken),
        seconds=time.monotonic() - started,
    )


def _repeated(spec: SimulatorSpec, rollouts: Iterator[Rollout], work: Path) -> Generator[Attempt]:
    """Execute once more what was solved, and write its states."""
    simulator = LiberoSimulator(spec)
    try:
        for rollout in rollouts:
            attempt = rollout.attempt
            states: list[State] = []
            if attempt.seed >= RECORDED:
                raise UsageError(
                    f"the episodes of {spec.env_id} begin where no seed does: no demos can be made of them",
                    fix=f"mstool demos generate --env {spec.env_id}",
                )
            if attempt.success:
                simulator.reset(attempt.seed)
                states.append(simulator.state())
                for action in rollout.actions:
                    simulator.step(action)
                    states.append(simulator.state())
            write_attempt(work, attempt, list(rollout.actions), states)
            yield attempt
    finally:
        simulator.close()


def _attempts(env_id: str, work: Path, workers: int, seeds: Iterator[int]) -> Generator[Attempt]:
    if workers == 1:
        with Recorder(env_id, work) as recorder:
            yield from map(recorder.attempt, seeds)
        return
    with SeedWorkers(_serve, [(env_id, work)] * workers) as pool:
        yield from pool.attempts(seeds)


def _serve(pipe: Connection, env_id: str, work: Path) -> None:
    serve_seeds(pipe, lambda: Recorder(env_id, work))


def _put_together(env_id: str, source: str, work: Path, solved: list[Attempt], made: Path) -> None:
    task = find_task(env_id)
    check_room(work, (attempt_file(work, each.seed) for each in solved))
    with h5py.File(made, "w") as file:
        data = file.create_group("data")
        data.attrs["bddl_file_name"] = f"{task.suite}/{task.name}.bddl"
        data.attrs["problem_info"] = json.dumps({"language_instruction": task.sentence})
        data.attrs["mstool_version"] = __version__
        data.attrs["num_demos"] = len(solved)
        if source:
            data.attrs["mstool_policy"] = source
        for number, attempt in enumerate(solved):
            copy_attempt(attempt_file(work, attempt.seed), data, f"demo_{number}")
