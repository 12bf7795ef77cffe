"""One view of one episode, counted and written on a thread of its own while the simulator goes on."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from mstool.contract import Array
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram

# Pictures that may wait for the encoder: enough to even out its key frames, and 2 MB at 256 px.
WAITING = 8


class PictureSink(Protocol):
    """What keeps pictures: a video's encoder or a file of PNGs. `close` may return the pictures' quality."""

    def add(self, image: Array) -> None:
        """Append one picture."""

    def close(self) -> Any:
        """Write what is left."""

    def abort(self) -> None:
        """Close; what was written is of no use."""


class ViewWriter:
    """Hands a view's pictures, in order, to its histogram and its sinks.

    The encoder lets go of Python's lock, so that it works beside the renderer; the order of pictures, and with it
    every byte, is the same as without a thread. A sink's error is raised by the next `add` or by `result`.
    """

    def __init__(self, sinks: Sequence[PictureSink]) -> None:
        self.histogram = ImageHistogram()
        self._sinks = sinks
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[None]] = deque()
        self._closing: Future[list[Any]] | None = None

    def add(self, image: Array) -> None:
        """Append one picture, uint8 (H, W, 3), which must not change afterwards; waits while the encoder is behind."""
        while self._waiting and (len(self._waiting) >= WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._add, image))

    def close(self) -> None:
        """Begin to close the sinks, behind the pictures that still wait."""
        self._closing = self._thread.submit(lambda: [sink.close() for sink in self._sinks])

    def result(self) -> list[Any]:
        """Wait until everything is written; what each sink's `close` returned."""
        for each in self._waiting:
            each.result()
        if self._closing is None:
            self.close()
        assert self._closing is not None
        closed = self._closing.result()
        self._thread.shutdown()
        return closed

    def abort(self) -> None:
        """Stop; what was written is of no use."""
        self._thread.shutdown(cancel_futures=True)
        for sink in self._sinks:
            sink.abort()

    def _add(self, image: Array) -> None:
        self.histogram.add(image)
        for sink in self._sinks:
            sink.add(image)
