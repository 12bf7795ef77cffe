"""The unit of work, one demo to one shard, and the process that does it again and again."""

import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from mstool.errors import MstoolError
from mstool.maniskill2lerobot.episode.from_states import StatesSource
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.recorded import RecordedSource, recorded_file
from mstool.maniskill2lerobot.episode.replay import Replayer
from mstool.maniskill2lerobot.episode.shard import MARKER, EpisodeMark, Tell, convert_episode, silent
from mstool.maniskill2lerobot.episode.source import EpisodeSource
from mstool.paths import no_space
from mstool.simulators.base import Simulator, SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of, build_simulator
from mstool.simulators.demos import Demo, Demos

# How often a worker says how far it is within an episode, s.
TELL_SECONDS = 0.5


@dataclass(frozen=True)
class ConvertJob:
    """One episode to convert; everything a process on another machine with the same storage needs."""

    demos: Path
    # Position in the demo file's list.
    position: int
    recipe: Recipe
    shard: Path
    # How many frames there will be, for the progress; another control mode may take several for a step of the demo.
    steps: int = 0


# What became of a job: its marker, an error that ends the run, or a traceback.
type Answer = EpisodeMark | MstoolError | str


class ConvertWorker:
    """Does jobs one after another, keeping the simulator and the demo file between them."""

    def __init__(self) -> None:
        self._simulator: tuple[SimulatorSpec, Simulator] | None = None
        self._demos: Demos | None = None

    def do(self, job: ConvertJob, tell: Tell = silent) -> EpisodeMark:
        """Convert one episode, or return its marker when that was done before; `tell` hears of every frame."""
        if self._demos is None or self._demos.path != job.demos:
            self._demos = benchmark_of(job.recipe.env_id).open_demos(job.demos)
        demo = job.recipe.of(self._demos.read(job.position))
        return convert_episode(lambda: self._source(job, demo), job.recipe, demo, job.shard, tell)

    def _source(self, job: ConvertJob, demo: Demo) -> EpisodeSource:
        assert self._demos is not None
        recipe = job.recipe
        if recipe.observations == "recorded":
            return RecordedSource(recorded_file(self._demos), job.position, recipe)
        simulator = self._simulator_for(recipe.simulator_spec(demo))
        if recipe.observations == "states":
            return StatesSource(simulator, recipe.layout, self._demos.recorded_states(job.position))
        return Replayer(simulator, recipe.layout, hold_steps=recipe.hold_steps)

    def close(self) -> None:
        """Free the simulator."""
        if self._simulator is not None:
            self._simulator[1].close()
            self._simulator = None

    def _simulator_for(self, spec: SimulatorSpec) -> Simulator:
        if self._simulator is None or self._simulator[0] != spec:
            self.close()
            self._simulator = (spec, build_simulator(spec))
        return self._simulator[1]


def finished(work: Path) -> int:
    """Return how many episodes a work folder holds."""
    return sum(1 for _ in work.glob(f"*/*/{MARKER}"))


def disk_full(work: Path, *, kept: int = 0) -> MstoolError:
    """Say that the disk is full, and what is kept: so many episodes, which the same command goes on with."""
    episodes = "; the episodes finished so far are kept there" if kept else ""
    return MstoolError(
        f"the disk that holds {work} is full{episodes}",
        fix="free space and run the same command again" + (": it goes on where it stopped" if kept else ""),
    )


def attempt(worker: ConvertWorker, job: ConvertJob, tell: Tell = silent) -> Answer:
    """Do one job, whatever happens: a marker, what ends the run, or the traceback of what failed as text."""
    try:
        return worker.do(job, tell)
    except MstoolError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent reports it and the run goes on
        work = job.shard.parent.parent
        return disk_full(work, kept=finished(work)) if no_space(error) else traceback.format_exc()


def serve(pipe: Connection) -> None:
    """Answer jobs from `pipe` until it closes: what a worker process does.

    For each job: now and then how many frames there are so far, at last the answer.
    """
    worker = ConvertWorker()
    told = time.monotonic()

    def tell(frames: int) -> None:
        nonlocal told
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            pipe.send(frames)

    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            break
        try:
            pipe.send(attempt(worker, job, tell))
        except (BrokenPipeError, OSError):
            break
    worker.close()
