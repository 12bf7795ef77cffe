"""Many environments, one policy: workers step and render, this process infers for all that wait."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import numpy as np

from mstool.contract import Array
from mstool.errors import DataError, MstoolError
from mstool.evaluation.chunks import ChunkBuffer
from mstool.evaluation.outcomes import Outcome
from mstool.evaluation.policy import Observation, Policy
from mstool.evaluation.rollout import EvalJob
from mstool.evaluation.worker import Finished, WorkerSetup, serve
from mstool.processes import ATTEMPTS, exit_words, kill_worker, start_worker
from mstool.simulators.benchmarks import benchmark_of

# A worker that says nothing for so long hangs, s; building the first scene loads ManiSkill.
STALLED_SECONDS = 600.0
# Waiting for more episodes to join a batch may take this part of the last inference, and at most so long, s.
PATIENCE = 0.5
PATIENCE_SECONDS = 0.05

type Serve = Callable[[Connection, WorkerSetup], None]


@dataclass
class _Worker:
    """One worker and the episode it runs."""

    slot: int
    process: BaseProcess
    job: EvalJob
    attempt: int
    chunks: ChunkBuffer
    # When it was last given something to do, time.monotonic().
    since: float
    observation: Observation | None = None


@dataclass
class Speed:
    """What an evaluation's time went into."""

    inferences: int = 0
    # Observations answered, and seconds within the policy.
    answered: int = 0
    inferring: float = 0.0


@dataclass
class Runner:
    """Runs jobs; yields each as it ends, in the order in which they end.

    A worker that dies, hangs or raises costs its episode one more attempt in a fresh process; then it counts as
    crashed. A MstoolError, and whatever the policy raises, ends the run.
    """

    # None when the workers need no policy: the planner.
    policy: Policy | None
    setup: WorkerSetup
    workers: int
    # See `ChunkBuffer`.
    replan: int | None = None
    ensemble_rate: float | None = None
    serve: Serve = serve
    speed: Speed = field(default_factory=Speed)
    # Whether workers wait for another `run` where a job is left for none of them; `close` ends them.
    keep: bool = False
    _idle: dict[int, tuple[Connection, BaseProcess]] = field(default_factory=dict)

    def run(self, jobs: Sequence[EvalJob]) -> Generator[Finished]:
        """Do all jobs."""
        self._waiting: deque[tuple[EvalJob, int]] = deque((job, 1) for job in jobs)
        self._workers: dict[Connection, _Worker] = {}
        self._patience = 0.0
        try:
            for slot in range(min(self.workers, len(jobs))):
                self._start_worker(slot)
            while self._workers:
                yield from self._collect()
                self._answer()
        finally:
            self._stop()

    def close(self) -> None:
        """End the workers that wait."""
        for pipe, process in self._idle.values():
            kill_worker(pipe, process)
        self._idle.clear()

    def _collect(self) -> Iterator[Finished]:
        """Hear what workers say; with observations at hand, wait only a little for more."""
        until = time.monotonic() + self._patience
        while True:
            owing = {pipe: worker for pipe, worker in self._workers.items() if worker.observation is None}
            if not owing:
                return
            pending = len(owing) < len(self._workers)
            ready = wait(list(owing), max(0.0, until - time.monotonic()) if pending else 1.0)
            for pipe in ready:
                assert isinstance(pipe, Connection)
                yield from self._hear(pipe, owing[pipe])
            if not ready:
                yield from self._end_stalled(owing)
                if pending:
                    return

    def _hear(self, pipe: Connection, worker: _Worker) -> Iterator[Finished]:
        try:
            said = pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            said = f"its worker died ({exit_words(worker.process.exitcode)})"
        if isinstance(said, Observation):
            worker.observation = said
        elif isinstance(said, Finished):
            self._next(pipe, worker.slot, worker.process)
            yield said
        elif isinstance(said, MstoolError):
            raise said
        else:
            yield from self._failed(pipe, worker, str(said))

    def _failed(self, pipe: Connection, worker: _Worker, why: str) -> Iterator[Finished]:
        """Try once more in a fresh process: the old one is dead, or what it holds may be what failed."""
        del self._workers[pipe]
        kill_worker(pipe, worker.process)
        if worker.attempt < ATTEMPTS:
            self._waiting.appendleft((worker.job, worker.attempt + 1))
        else:
            yield Finished(_crashed(worker, why))
        self._start_worker(worker.slot)

    def _end_stalled(self, owing: dict[Connection, _Worker]) -> Iterator[Finished]:
        now = time.monotonic()
        for pipe, worker in owing.items():
            if now - worker.since > STALLED_SECONDS:
                worker.process.kill()
                yield from self._failed(pipe, worker, f"its worker said nothing for {STALLED_SECONDS:.0f} s")

    def _answer(self) -> None:
        """Infer once for every episode that waits."""
        asking = [
            (pipe, worker, worker.observation)
            for pipe, worker in self._workers.items()
            if worker.observation is not None
        ]
        if not asking or self.policy is None:
            return
        started = time.monotonic()
        answers = self.policy.act([worker.slot for _, worker, _ in asking], [seen for _, _, seen in asking])
        took = time.monotonic() - started
        self._patience = min(PATIENCE * took, PATIENCE_SECONDS)
        self.speed.inferences += 1
        self.speed.answered += len(asking)
        self.speed.inferring += took
        if len(answers) != len(asking):
            raise DataError(f"{self.policy.name} answered {len(answers)} of {len(asking)} observations")
        for (pipe, worker, seen), answer in zip(asking, answers, strict=True):
            worker.observation, worker.since = None, time.monotonic()
            try:
                pipe.send(worker.chunks.add(seen.step, self._checked(answer)))
            except OSError:  # it died meanwhile: `_hear` will see the closed pipe
                continue

    def _checked(self, answer: Array) -> Array:
        assert self.policy is not None
        chunk = np.asarray(answer, np.float32)
        width = _action_width(self.setup)
        if chunk.ndim != 2 or (len(chunk) and chunk.shape[1] != width):
            raise DataError(
                f"{self.policy.name} answered with shape {chunk.shape}, not (steps, {width}) as the dataset's actions",
                fix="evaluate it with the conventions of the dataset it was trained on: --dataset DATASET",
            )
        return chunk

    def _start_worker(self, slot: int) -> None:
        if not self._waiting:
            return
        if slot in self._idle:
            pipe, process = self._idle.pop(slot)
        else:
            imports = benchmark_of(self._waiting[0][0].env_id).worker_imports
            pipe, process = start_worker(self.serve, self.setup, imports=imports)
        self._next(pipe, slot, process)

    def _next(self, pipe: Connection, slot: int, process: BaseProcess) -> None:
        self._workers.pop(pipe, None)
        if not self._waiting and self.keep:
            self._idle[slot] = pipe, process
            return
        if not self._waiting:
            kill_worker(pipe, process)
            return
        job, attempt = self._waiting.popleft()
        if self.policy is not None:
            self.policy.reset(slot, job.env_id, job.seed)
        chunks = ChunkBuffer(self.replan, self.ensemble_rate)
        self._workers[pipe] = _Worker(slot, process, job, attempt, chunks, time.monotonic())
        try:
            pipe.send((job, attempt))
        except OSError:  # it died between two jobs: `_hear` will see the closed pipe
            return

    def _stop(self) -> None:
        for pipe, worker in self._workers.items():
            kill_worker(pipe, worker.process)
        self._workers.clear()


def _crashed(worker: _Worker, why: str) -> Outcome:
    last = [line for line in why.splitlines() if line.strip()][-1]
    return Outcome(
        env_id=worker.job.env_id,
        seed=worker.job.seed,
        success_once=False,
        success_at_end=False,
        steps=0,
        first_success=None,
        seconds=0.0,
        reason=last,
        crashed=True,
        attempts=worker.attempt,
    )


def _action_width(setup: WorkerSetup) -> int:
    assert setup.conventions is not None
    features = setup.conventions.features
    return int(next(features[name] for name in ("action", "actions") if name in features)["shape"][0])
