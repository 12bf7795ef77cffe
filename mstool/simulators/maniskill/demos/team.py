"""Seeds attempted in this process or in several, each attempt kept, and demos put together in the order of seeds."""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py

from mstool.simulators.attempt_files import attempt_file, write_attempt
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, Rollout
from mstool.simulators.hdf5 import open_h5
from mstool.simulators.hdf5_writing import check_room
from mstool.simulators.maniskill.correct import Corrector
from mstool.simulators.maniskill.record import DemoRecorder, RolloutRecorder
from mstool.simulators.maniskill.registry import WORKER_IMPORTS
from mstool.simulators.seed_workers import SeedWorkers, serve_seeds

FILES = ("trajectory.h5", "trajectory.json")


# Makes what attempts in a folder of its own.
type Make = Callable[[Path], DemoRecorder | Corrector]


class Keeper:
    """Attempts seeds, or rollouts, and keeps each attempt in `work`; what ManiSkill records lies in `scratch`."""

    def __init__(self, work: Path, scratch: Path, make: Make) -> None:
        self._work, self._held = work, ExitStack()
        self._recorder: Any = make(Path(self._held.enter_context(TemporaryDirectory(dir=scratch))))

    def attempt(self, given: int | Rollout) -> Attempt:
        """Try one seed, or go on from one rollout."""
        attempt: Attempt = self._recorder.attempt(given)
        write_attempt(self._work, attempt, self._recorder.copy_last)
        return attempt

    def __enter__(self) -> "Keeper":
        self._held.enter_context(self._recorder)
        return self

    def __exit__(self, *error: Any) -> None:
        self._held.__exit__(*error)


class Alone:
    """Attempts seeds, or `rollouts` in their place, one after the other, in this process."""

    def __init__(self, work: Path, scratch: Path, make: Make, rollouts: Iterator[Rollout] | None = None) -> None:
        self._keeper, self._rollouts = Keeper(work, scratch, make), rollouts

    def attempts(self, seeds: Iterator[int]) -> Generator[Attempt]:
        """Yield the attempts at the seeds."""
        yield from map(self._keeper.attempt, self._rollouts or seeds)

    def __enter__(self) -> "Alone":
        self._keeper.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._keeper.__exit__(*error)


class Repeats:
    """Records what others did, in this process."""

    def __init__(
        self, spec: SimulatorSpec, rollouts: Iterator[Rollout], source: str, work: Path, scratch: Path
    ) -> None:
        self._work, self._rollouts = work, rollouts
        self._recorder = RolloutRecorder(spec, scratch, source)

    def attempts(self, seeds: Iterator[int]) -> Generator[Attempt]:  # noqa: ARG002
        """Yield the attempts in the order of the rollouts."""
        for rollout in self._rollouts:
            attempt = self._recorder.attempt(rollout) if rollout.attempt.success else rollout.attempt
            write_attempt(self._work, attempt, self._recorder.copy_last)
            yield attempt

    def __enter__(self) -> "Repeats":
        return self

    def __exit__(self, *error: Any) -> None:
        self._recorder.__exit__(*error)


class Team:
    """Attempts seeds, or `rollouts` in their place, in several processes."""

    def __init__(
        self, number: int, work: Path, scratch: Path, make: Make, rollouts: Iterator[Rollout] | None = None
    ) -> None:
        self._rollouts = rollouts
        self._workers = SeedWorkers(_serve, [(work, scratch, make)] * number, imports=WORKER_IMPORTS)

    def attempts(self, seeds: Iterator[int]) -> Generator[Attempt]:
        """Yield the attempts at the seeds, in their order."""
        yield from self._workers.attempts(self._rollouts or seeds)

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *error: Any) -> None:
        """Have every worker finish what it is at; on an error, end them where they are."""
        self._workers.__exit__(*error)


def put_together(work: Path, solved: Sequence[Attempt], folder: Path) -> None:
    """Write the solved attempts as one pair of files into `folder`: the same bytes, whoever recorded which of them."""
    episodes: list[dict[str, Any]] = []
    listing: dict[str, Any] = {}
    # Taking the first steps away writes the rest once more.
    check_room(folder, (attempt_file(work, each.seed) for each in solved for _ in range(2 if each.left_out else 1)))
    with h5py.File(folder / FILES[0], "w") as target:
        for number, attempt in enumerate(solved):
            with open_h5(attempt_file(work, attempt.seed)) as file:
                file.copy("trajectory", target, name=f"traj_{number}")
                own = json.loads(file["listing"][()])
            listing = listing or own
            episode = {**own["episodes"][0], "episode_id": number}
            if attempt.left_out:
                _leave_out(target[f"traj_{number}"], attempt.left_out)
                episode |= {"elapsed_steps": episode["elapsed_steps"] - attempt.left_out, "disturbed": True}
            episodes.append(episode)
    (folder / FILES[1]).write_text(json.dumps({**listing, "episodes": episodes}, indent=2) + "\n")


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


def _serve(pipe: Connection, *keeps: Any) -> None:
    serve_seeds(pipe, lambda: Keeper(*keeps))
