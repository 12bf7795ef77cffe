"""Seeds attempted in parallel processes, and their demos put together in the order of seeds."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import h5py

from mstool.json_files import load_json
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, Rollout
from mstool.simulators.maniskill.record import DemoRecorder, RolloutRecorder
from mstool.simulators.maniskill.registry import WORKER_IMPORTS
from mstool.simulators.seed_workers import SeedWorkers, serve_seeds

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
        self._folders = folders
        for folder in folders:
            folder.mkdir()
        self._workers = SeedWorkers(
            _serve, [(env_id, folder, robot, disturb) for folder in folders], imports=WORKER_IMPORTS
        )

    def attempts(self, seed: int) -> Iterator[Outcome]:
        """Yield the outcomes of `seed` and those after it, in their order and without an end."""
        kept = [0] * len(self._folders)
        for number, attempt in self._workers.attempts(count(seed)):
            yield Outcome(attempt, self._folders[number], kept[number])
            kept[number] += attempt.success

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *error: object) -> None:
        """Have every worker finish its files; on an error, end them where they are."""
        self._workers.__exit__(*error)  # type: ignore[arg-type]


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


def _serve(pipe: Connection, env_id: str, folder: Path, robot: str | None, disturb: float) -> None:
    """Record what is attempted into `folder`; its files are finished once no seed comes any more."""
    serve_seeds(pipe, lambda: DemoRecorder(env_id, folder, robot=robot, disturb=disturb))
