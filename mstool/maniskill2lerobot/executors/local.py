"""Do jobs in worker processes that may die without taking the run with them."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from mstool.errors import MstoolError, UsageError
from mstool.maniskill2lerobot.episode.shard import EpisodeMark
from mstool.maniskill2lerobot.executors.job import Job, serve
from mstool.processes import exit_words, kill_worker, start_worker, stop_worker
from mstool.simulation.capacity import auto_workers

ATTEMPTS = 2
EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class Done:
    """A job's outcome: a marker, or why there is none after `ATTEMPTS` attempts."""

    job: Job
    mark: EpisodeMark | None
    failure: str = ""


@dataclass(frozen=True)
class UnderWay:
    """How many frames of a job's episode there are so far; fewer again when it had to begin anew."""

    job: Job
    frames: int


# Given the jobs and how many workers at a time; None leaves the number to the executor.
type Events = Generator[Done | UnderWay, None, None]
type Executor = Callable[[Sequence[Job], int | None], Events]


def choose_executor(name: str, ray_address: str) -> Executor:
    """Return the executor that `--executor` names.

    Raises
    ------
    UsageError
        There is none of that name.
    MstoolError
        `ray`, and Ray is not installed or no cluster answers at `ray_address`.

    """
    if name not in EXECUTORS:
        raise UsageError(f"--executor {name!r} is unknown", fix=f"choose --executor {' or '.join(EXECUTORS)}")
    if name == "local":
        return run_local
    from mstool.maniskill2lerobot.executors.ray import on_ray

    return on_ray(ray_address)


def run_local(jobs: Sequence[Job], workers: int | None = None) -> Events:
    """Do `jobs` in spawned processes; yields in the order in which they finish.

    A worker that dies (segfault, killed for memory) or fails on an episode costs that episode one more attempt in a
    fresh process. A MstoolError (no device, disk full, ...) would meet every episode: it ends the run.

    Raises
    ------
    MstoolError
        A worker met something that only the user can put right.

    """
    pool = _Pool(jobs)
    try:
        pool.start(min(workers or auto_workers(), len(jobs)))
        while pool.busy:
            yield from pool.collect()
    finally:
        pool.stop()


class _Pool:
    def __init__(self, jobs: Sequence[Job]) -> None:
        self._waiting: deque[tuple[Job, int]] = deque((job, 1) for job in jobs)
        self.busy: dict[Connection, tuple[BaseProcess, Job, int]] = {}

    def start(self, workers: int) -> None:
        for _ in range(workers):
            self._start_worker()

    def collect(self) -> Iterator[Done | UnderWay]:
        """Wait for at least one worker, yield what it says and hand out the next job where one is finished."""
        for pipe in wait(list(self.busy)):
            assert isinstance(pipe, Connection)
            process, job, attempt = self.busy[pipe]
            try:
                answer = pipe.recv()
            except (EOFError, OSError):
                process.join()
                answer = f"its worker died ({exit_words(process.exitcode)})"
            if isinstance(answer, int):
                yield UnderWay(job, answer)
                continue
            del self.busy[pipe]
            if isinstance(answer, MstoolError):
                stop_worker(pipe, process)
                raise answer
            if isinstance(answer, EpisodeMark):
                self._next(pipe, process)
                yield Done(job, answer)
                continue
            # A fresh process: this one is dead, or what it holds may be what failed.
            stop_worker(pipe, process)
            if attempt < ATTEMPTS:
                self._waiting.appendleft((job, attempt + 1))
            else:
                yield Done(job, None, answer)
            self._start_worker()

    def stop(self) -> None:
        """End the workers that are still at it; their unfinished shards are of no use and do no harm."""
        for pipe, (process, _, _) in self.busy.items():
            kill_worker(pipe, process)
        self.busy.clear()

    def _start_worker(self) -> None:
        if not self._waiting:
            return
        self._next(*start_worker(serve))

    def _next(self, pipe: Connection, process: BaseProcess) -> None:
        if not self._waiting:
            stop_worker(pipe, process)
            return
        job, attempt = self._waiting.popleft()
        self.busy[pipe] = (process, job, attempt)
        try:
            pipe.send(job)
        except OSError:  # it died between two jobs: `collect` will see the closed pipe
            return
