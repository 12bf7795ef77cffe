"""Do jobs in the actors of a Ray cluster, any of which may go away with its node without taking the run with it."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from mstool import __version__
from mstool.errors import MstoolError, SetupError
from mstool.maniskill2lerobot.episode.shard import EpisodeMark
from mstool.maniskill2lerobot.executors.base import Done, Events, Executor
from mstool.maniskill2lerobot.executors.job import ConvertJob
from mstool.maniskill2lerobot.executors.ray_cluster import capacity, connect, gpu_share
from mstool.maniskill2lerobot.executors.ray_worker import Node, RayWorker
from mstool.processes import ATTEMPTS
from mstool.simulators.capacity import WORKER_BYTES

# How long the run waits for its first or next worker when none is at work: the cluster may be full, or growing.
PATIENCE_SECONDS = 300.0


def on_ray(address: str) -> Executor:
    """Join the cluster at `address` and return its executor, which takes what `run_local` takes.

    Every worker is one actor with a core, `WORKER_BYTES` of memory and its part of a GPU where the cluster has GPUs.
    Demos and shards are read and written by the nodes themselves, so their folders must be on storage that all share.

    Raises
    ------
    MstoolError
        No cluster, or none that has room for a worker.

    """
    ray = connect(address)

    def run(jobs: Sequence[ConvertJob], workers: int | None = None) -> Events:
        if not jobs:
            return
        room = capacity(ray.nodes())
        if not room:
            raise MstoolError(
                f"the Ray cluster has no room for a worker: no node has 1 CPU and {WORKER_BYTES / 1024**3:.0f} GiB",
                fix="start nodes with `ray start --num-cpus N --memory BYTES`, or use --executor local",
            )
        with _token(jobs[0].shard.parent.parent) as token:
            pool = _Pool(ray, jobs, min(workers or room, len(jobs)), token)
            try:
                yield from pool.work()
            finally:
                pool.stop()

    return run


@contextmanager
def _token(work: Path) -> Iterator[Path]:
    """Keep a file in the work folder by which a node shows that it sees this folder and no other of that name."""
    path = work.absolute() / f".seen-{uuid4().hex}"
    path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


class _Pool:
    def __init__(self, ray: Any, jobs: Sequence[ConvertJob], workers: int, token: Path) -> None:
        self._ray = ray
        self._env_id = jobs[0].recipe.env_id
        self._paths = [token, *dict.fromkeys(job.demos.absolute() for job in jobs)]
        share = gpu_share(ray.nodes(), workers)
        self._actor = ray.remote(num_cpus=1, num_gpus=share, memory=WORKER_BYTES, max_restarts=0)(RayWorker)
        self._waiting: deque[tuple[ConvertJob, int]] = deque((job, 1) for job in jobs)
        # By the reference to what each is to answer: actors that start, and those at work.
        self._starting: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[Any, ConvertJob, int]] = {}
        # The first node that answered: the others must be like it.
        self._first: Node | None = None
        self._failed_starts = 0
        self._workers = workers
        for _ in range(workers):
            self._start_worker()

    def work(self) -> Iterator[Done]:
        """Yield every job as it is finished."""
        while self._waiting or self._busy:
            waited_for = [*self._starting, *self._busy]
            ready, _ = self._ray.wait(waited_for, timeout=None if self._busy else PATIENCE_SECONDS)
            if not ready:
                raise self._no_worker("no node had room for one")
            for reference in ready:
                if reference in self._starting:
                    self._started(reference)
                else:
                    yield from self._collect(reference)

    def stop(self) -> None:
        """End all actors; their unfinished shards are of no use and do no harm."""
        for actor in [*self._starting.values(), *(actor for actor, _, _ in self._busy.values())]:
            self._ray.kill(actor)
        self._starting.clear()
        self._busy.clear()

    def _start_worker(self) -> None:
        actor = self._actor.remote()
        self._starting[actor.look.remote(self._env_id, self._paths)] = actor

    def _started(self, reference: Any) -> None:
        actor = self._starting.pop(reference)
        try:
            node = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts > 2 * self._workers:
                raise self._no_worker(_words(error)) from error
            self._start_worker()
            return
        if isinstance(node, Node):
            node = self._refuse(node)
        if node is not None:
            self._ray.kill(actor)
            raise node
        self._failed_starts = 0
        self._next(actor)

    def _refuse(self, node: Node) -> MstoolError | None:
        """Say why a node would not make the same shards, in the same place, as the others; None when it would."""
        if node.missing:
            return MstoolError(
                f"node {node.name} does not see {', '.join(map(str, node.missing))}",
                fix="put --output and --demos on storage that all nodes mount at the same path, and give that path",
            )
        if node.version != __version__:
            return SetupError(
                f"node {node.name} has mstool {node.version}, this one {__version__}",
                fix="install the same version on all nodes",
            )
        self._first = self._first or node
        if node.render_backend != self._first.render_backend:
            return SetupError(
                f"node {node.name} renders on its {node.render_backend.upper()}, node {self._first.name} on its "
                f"{self._first.render_backend.upper()}: their images differ",
                fix="use nodes of one kind; `mstool doctor` on a node says what it renders on and why",
            )
        return None

    def _collect(self, reference: Any) -> Iterator[Done]:
        actor, job, attempt = self._busy.pop(reference)
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            answer = f"its worker died ({_words(error)})"
        if isinstance(answer, EpisodeMark):
            self._next(actor)
            yield Done(job, answer)
            return
        # Another actor: this one is dead, or what it holds may be what failed.
        self._ray.kill(actor)
        if isinstance(answer, MstoolError):
            raise answer
        if attempt < ATTEMPTS:
            self._waiting.appendleft((job, attempt + 1))
        else:
            yield Done(job, None, answer)
        if self._waiting:
            self._start_worker()

    def _next(self, actor: Any) -> None:
        if not self._waiting:
            self._ray.kill(actor)
            return
        job, attempt = self._waiting.popleft()
        there = replace(job, demos=job.demos.absolute(), shard=job.shard.absolute())
        self._busy[actor.do.remote(there)] = (actor, job, attempt)

    def _no_worker(self, reason: str) -> MstoolError:
        return MstoolError(
            f"the Ray cluster started no worker: {reason}",
            fix="`ray status` says what the cluster has; the same command goes on where it stopped",
        )


def _words(error: Exception) -> str:
    """Return the one line of Ray's message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or line.startswith("The ")]
    return (told or lines or [type(error).__name__])[-1]
