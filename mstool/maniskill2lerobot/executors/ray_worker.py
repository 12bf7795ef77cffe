"""What runs on a Ray cluster's nodes: the worker of every other conversion, and a look at the node it is on."""

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from mstool import __version__
from mstool.errors import MstoolError
from mstool.maniskill2lerobot.executors.job import Answer, ConvertJob, ConvertWorker, attempt
from mstool.simulators.benchmarks import benchmark_of

# A network file system may show a new file late.
SEEN_SECONDS = 10.0


@dataclass(frozen=True)
class Node:
    """Where a worker is, and what its pictures would be made by."""

    name: str
    version: str
    # `gpu` or `cpu`: their pictures are not the same to the bit.
    render_backend: str
    # What the node should see and does not.
    missing: tuple[Path, ...] = ()


class RayWorker:
    """One actor: keeps its simulator between jobs."""

    def __init__(self) -> None:
        self._worker = ConvertWorker()

    def look(self, env_id: str, paths: list[Path]) -> Node | MstoolError:
        """Say what the node is like and which of `paths` it lacks; an error when it cannot render the environment."""
        end = time.monotonic() + SEEN_SECONDS
        while (missing := [path for path in paths if not path.exists()]) and time.monotonic() < end:
            time.sleep(0.5)
        try:
            return Node(socket.gethostname(), __version__, benchmark_of(env_id).render_backend(), tuple(missing))
        except MstoolError as error:
            return type(error)(f"node {socket.gethostname()}: {error.message}", fix=error.fix)

    def do(self, job: ConvertJob) -> Answer:
        """Do one job, whatever happens."""
        return attempt(self._worker, job)
