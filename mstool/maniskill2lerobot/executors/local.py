"""Do jobs in worker processes that may die without taking the run with them."""

from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from mstool.errors import MstoolError
from mstool.maniskill2lerobot.episode.shard import EpisodeMark
from mstool.maniskill2lerobot.executors.base import Done, Events, UnderWay
from mstool.maniskill2lerobot.executors.job import ConvertJob, serve
from mstool.processes import ATTEMPTS, exit_words, kill_worker, start_worker
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.capacity import auto_workers


def run_local(jobs: Sequence[ConvertJob], workers: int | None = None) -> Events:
    """Do `jobs` in worker processes; yields in the order in which they finish.

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
    def __init__(self, jobs: Sequence[ConvertJob]) -> None:
        self._waiting: deque[tuple[ConvertJob, int]] = deque((job, 1) for job in jobs)
        self._imports = benchmark_of(jobs[0].recipe.env_id).worker_imports if jobs else ()
        self.busy: dict[Connection, tuple[BaseProcess, ConvertJob, int]] = {}

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
                kill_worker(pipe, process)
                raise answer
            if isinstance(answer, EpisodeMark):
                self._next(pipe, process)
                yield Done(job, answer)
                continue
            # A fresh process: this one is dead, or what it holds may be what failed.
            kill_worker(pipe, process)
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
        self._next(*start_worker(serve, imports=self._imports))

    def _next(self, pipe: Connection, process: BaseProcess) -> None:
        if not self._waiting:
            kill_worker(pipe, process)
            return
        job, attempt = self._waiting.popleft()
        self.busy[pipe] = (process, job, attempt)
        try:
            pipe.send(job)
        except OSError:  # it died between two jobs: `collect` will see the closed pipe
            return
