"""Seeds attempted in parallel processes, and how each attempt ended, in the order of seeds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from mstool.errors import MstoolError
from mstool.paths import explain
from mstool.processes import exit_words, kill_worker, start_worker
from mstool.simulators.demos import Attempt, Rollout


class Attempter(Protocol):
    """What tries seeds, and keeps what it did for itself."""

    def attempt(self, given: Any) -> Attempt:
        """Try one seed, or go on from one rollout."""


class SeedWorkers:
    """Processes that attempt seeds, or go on from rollouts.

    Each runs `serve(pipe, *arguments)`, which is to end in `serve_seeds`. Left without an error, every worker finishes
    what it is at; on an error they end where they are. `imports` is as `start_worker` takes it.
    """

    def __init__(
        self, serve: Callable[..., None], arguments: Sequence[tuple[Any, ...]], *, imports: Sequence[str] = ()
    ) -> None:
        self._workers = dict(start_worker(serve, *each, imports=imports) for each in arguments)

    def attempts(self, given: Iterable[int | Rollout]) -> Iterator[Attempt]:
        """Yield how the attempts ended, in the order of what is `given`, which may have no end.

        Raises
        ------
        MstoolError
            As an attempt, or a worker died.

        """
        coming, waiting = iter(given), list[int]()
        done: dict[int, Attempt] = {}

        def hand_out(pipe: Connection) -> None:
            if (wanted := next(coming, None)) is not None:
                waiting.append(wanted.attempt.seed if isinstance(wanted, Rollout) else wanted)
                _send(pipe, wanted)

        for pipe in self._workers:
            hand_out(pipe)
        while waiting:
            for ready in wait(list(self._workers)):
                assert isinstance(ready, Connection)
                attempt = self._receive(ready)
                assert attempt is not None
                done[attempt.seed] = attempt
                hand_out(ready)
            while waiting and waiting[0] in done:
                yield done.pop(waiting.pop(0))

    def __enter__(self) -> "SeedWorkers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                for pipe in self._workers:
                    _send(pipe, None)
                for pipe in self._workers:
                    while self._receive(pipe) is not None:
                        pass  # an attempt that nobody needs any more
        finally:
            for pipe, process in self._workers.items():
                kill_worker(pipe, process)

    def _receive(self, pipe: Connection) -> Attempt | None:
        try:
            answer: Attempt | MstoolError | None = pipe.recv()
        except (EOFError, OSError) as error:
            process = self._workers[pipe]
            process.join()
            raise MstoolError(
                f"a process that attempted seeds ended with {exit_words(process.exitcode)}",
                fix="run the same command again with fewer --workers: each takes about a gigabyte of memory",
            ) from error
        if isinstance(answer, MstoolError):
            raise answer
        return answer


def serve_seeds(pipe: Connection, make: Callable[[], AbstractContextManager[Attempter]]) -> None:
    """Attempt what comes through `pipe` until None comes; answer with None once all is finished."""
    try:
        with make() as attempter:
            while (given := pipe.recv()) is not None:
                pipe.send(attempter.attempt(given))
        pipe.send(None)
    except MstoolError as error:
        pipe.send(error)
    except (EOFError, ConnectionError):
        pass  # the one who asked is gone
    except OSError as error:
        said = explain(error, ())
        if said is None:
            raise
        pipe.send(said)


def _send(pipe: Connection, given: int | Rollout | None) -> None:
    # One that has died is noticed when it is listened to.
    with suppress(OSError):
        pipe.send(given)
