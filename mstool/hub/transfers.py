"""Several transfers at a time: one bar for all, and the first failure (or Ctrl-C) stops the others at once."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import Self

from mstool.progress import Progress


class StoppedError(Exception):
    """Another transfer failed: this one ends too."""


class Transfers:
    """A bar in bytes and a pool of workers.

    Parameters
    ----------
    what
        What is done, in a word, for the bar.
    total
        Bytes.
    jobs
        Workers.

    """

    def __init__(self, what: str, total: int, jobs: int) -> None:
        self._progress = Progress(what, total, "B")
        self._jobs = jobs
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def moved(self, count: int) -> None:
        """Count bytes, negative ones for what has to be moved again.

        Raises
        ------
        StoppedError
            The transfer is not wanted any more. On a slow link one file takes minutes, so each piece asks.

        """
        if self._stop.is_set():
            raise StoppedError
        self._progress.update(count)

    def run[Item](self, work: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Call `work` for every item; raise the first error after the other workers have stopped."""
        with ThreadPoolExecutor(max_workers=self._jobs) as pool:
            try:
                for done in as_completed([pool.submit(work, item) for item in items]):
                    done.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
