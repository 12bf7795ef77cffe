"""Seeds attempted in parallel processes, and their demos put together in the order of seeds."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import h5py

from mstool.errors import MstoolError
from mstool.json_files import load_json
from mstool.processes import exit_words, kill_worker, start_worker, stop_worker
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, Rollout
from mstool.simulators.maniskill.record import DemoRecorder, RolloutRecorder

FILES = ("trajectory.h5", "trajectory.json")


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended, and where a solved episode is: the `position`-th one of the files in `folder`."""

    attempt: Attempt
    folder: Path
    position: int


class Alone:
    """Attempts seeds one after the other, in this process."""

    def __init__(self, env_id: str, folder: Path, robot: str | None, disturb: float) -> None:
        self._recorder = DemoRecorder(env_id, folder, robot=robot, disturb=disturb)
        self._folder = folder
        self._held = ExitStack()

    def attempts(self, seed: int) -> Iterator[Outcome]:
        """Yield the outcomes of `seed` and those after it, without an end."""
        kept = 0
        while True:
            attempt = self._recorder.attempt(seed)
            yield Outcome(attempt, self._folder, kept)
            kept += attempt.success
            seed += 1

    def __enter__(self) -> "Alone":
        self._held.enter_context(self._recorder)
        return self

    def __exit__(self, *error: object) -> None:
        self._held.__exit__(*error)  # type: ignore[arg-type]


class Repeats:
    """Records what others did, in this process."""

    def __init__(self, spec: SimulatorSpec, rollouts: Iterator[Rollout], source: str, folder: Path) -> None:
        self._recorder = RolloutRecorder(spec, folder, source)
        self._rollouts = rollouts
        self._folder = folder

    def attempts(self, seed: int) -> Iterator[Outcome]:  # noqa: ARG002
        """Yield the outcomes in the order of the rollouts."""
        kept = 0
        for rollout in self._rollouts:
            attempt = self._recorder.attempt(rollout) if rollout.attempt.success else rollout.attempt
            yield Outcome(attempt, self._folder, kept)
            kept += attempt.success

    def __enter__(self) -> "Repeats":
        return self

    def __exit__(self, *error: object) -> None:
        self._recorder.__exit__(*error)  # type: ignore[arg-type]


class Team:
    """Attempts seeds in several processes, each of which records into a folder of its own."""

    def __init__(self, env_id: str, folders: Sequence[Path], robot: str | None, disturb: float) -> None:
        started = [(folder, *_start(env_id, folder, robot, disturb)) for folder in folders]
        self._workers = {pipe: (process, folder) for folder, pipe, process in started}

    def attempts(self, seed: int) -> Iterator[Outcome]:
        """Yield the outcomes of `seed` and those after it, in their order and without an end."""
        done: dict[int, Outcome] = {}
        kept = dict.fromkeys(self._workers, 0)
        coming = seed
        for pipe in self._workers:
            _send(pipe, coming)
            coming += 1
        while True:
            for pipe in self._ready():
                attempt = self._receive(pipe)
                assert isinstance(attempt, Attempt)
                done[attempt.seed] = Outcome(attempt, self._workers[pipe][1], kept[pipe])
                kept[pipe] += attempt.success
                _send(pipe, coming)
                coming += 1
            while seed in done:
                yield done.pop(seed)
                seed += 1

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Have every worker finish its files; on an error, end them where they are."""
        try:
            if kind is None:
                for pipe in self._workers:
                    _send(pipe, None)
                for pipe in self._workers:
                    while self._receive(pipe) is not None:
                        pass  # an attempt that nobody needs any more
                for pipe, (process, _folder) in self._workers.items():
                    stop_worker(pipe, process)
        finally:
            for pipe, (process, _folder) in self._workers.items():
                if process.is_alive():
                    kill_worker(pipe, process)

    def _ready(self) -> list[Connection]:
        return [pipe for pipe in wait(list(self._workers)) if isinstance(pipe, Connection)]

    def _receive(self, pipe: Connection) -> Attempt | None:
        try:
            answer: Attempt | MstoolError | None = pipe.recv()
        except (EOFError, OSError) as error:
            process = self._workers[pipe][0]
            process.join()
            raise MstoolError(
                f"a process that attempted seeds ended with {exit_words(process.exitcode)}",
                fix="run the same command again with fewer --workers: each takes about a gigabyte of memory",
            ) from error
        if isinstance(answer, MstoolError):
            raise answer
        return answer


def _send(pipe: Connection, seed: int | None) -> None:
    # One that has died is noticed when it is listened to.
    with suppress(OSError):
        pipe.send(seed)


def put_together(solved: Sequence[Outcome], folder: Path) -> None:
    """Write the solved episodes as one pair of files into `folder`: the same bytes, whoever recorded which of them."""
    listings = {source: load_json(source / FILES[1]) for source in {outcome.folder for outcome in solved}}
    episodes = []
    with ExitStack() as held:
        target = held.enter_context(h5py.File(folder / FILES[0], "w"))
        files = {source: held.enter_context(h5py.File(source / FILES[0])) for source in listings}
        for number, outcome in enumerate(solved):
            files[outcome.folder].copy(f"traj_{outcome.position}", target, name=f"traj_{number}")
            episode = {**listings[outcome.folder]["episodes"][outcome.position], "episode_id": number}
            if left_out := outcome.attempt.left_out:
                _leave_out(target[f"traj_{number}"], left_out)
                episode |= {"elapsed_steps": episode["elapsed_steps"] - left_out, "disturbed": True}
            episodes.append(episode)
    listing = {**listings[solved[0].folder], "episodes": episodes}
    (folder / FILES[1]).write_text(json.dumps(listing, indent=2) + "\n")


def _leave_out(group: h5py.Group, steps: int) -> None:
    """Take the first steps away from everything that a trajectory holds: rows of steps, and of states."""
    for name in list(group):
        item = group[name]
        if isinstance(item, h5py.Group):
            _leave_out(item, steps)
            continue
        rows = item[steps:]
        del group[name]
        group.create_dataset(name, data=rows)


def _start(env_id: str, folder: Path, robot: str | None, disturb: float) -> tuple[Connection, BaseProcess]:
    folder.mkdir()
    return start_worker(_serve, env_id, folder, robot, disturb)


def _serve(pipe: Connection, env_id: str, folder: Path, robot: str | None, disturb: float) -> None:
    """Attempt the seeds that come through `pipe` until None comes, answer with None once the files are finished."""
    try:
        with DemoRecorder(env_id, folder, robot=robot, disturb=disturb) as recorder:
            while (seed := pipe.recv()) is not None:
                pipe.send(recorder.attempt(seed))
        pipe.send(None)
    except MstoolError as error:
        pipe.send(error)
    except (EOFError, OSError):
        pass  # the one who asked is gone
