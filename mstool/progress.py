"""How far a long run is: a bar on a terminal, elsewhere a plain line now and then; on stderr, or to a listener."""

import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tqdm import tqdm

# Between two lines where there is no terminal, and between two looks at the clock where there is one, s.
LINE_SECONDS = 30.0
CLOCK_SECONDS = 1.0
# How many lines the rate is taken over.
LINES_OF_RATE = 5
_BYTES = "B"
# All but tab and newline; and what reverses the direction of writing.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


# Told, in one line, what a person should know.
type Notify = Callable[[str], object]


@dataclass(frozen=True)
class Step:
    """How far something is, told to a listener at every change."""

    # What is done, in a word: "convert", "train".
    what: str
    done: int
    # None where nobody knows.
    total: int | None
    # What is counted, in the singular: "frame", "episode"; "B" for bytes.
    unit: str
    note: str = ""


# Told how far a run is, and in lines (`str`) what a person should know. It may be called from any thread.
type Listener = Callable[[Step | str], object]

_listener: ContextVar[Listener | None] = ContextVar("mstool_listener", default=None)


@contextmanager
def progress_to(listener: Listener | None) -> Iterator[None]:
    """Tell a listener how far runs are while the block runs, in the place of bars and lines on stderr.

    Parameters
    ----------
    listener
        Called with a `Step` at every change and with a `str` for each line; None turns all of it off.

    Examples
    --------
    >>> with progress_to(None):
    ...     pass

    """
    token = _listener.set(listener or _nobody)
    try:
        yield
    finally:
        _listener.reset(token)


def listening() -> bool:
    """Whether a listener is told, so that nothing is shown."""
    return _listener.get() is not None


def tell(step: Step) -> None:
    """Tell a listener of a step that no `Progress` counts; without one nothing is shown."""
    listener = _listener.get()
    if listener is not None:
        listener(step)


def notify() -> Notify:
    """Return who is told lines now, from any thread: stderr, or the listener."""
    return _listener.get() or print_line


def _nobody(_told: Step | str) -> None:
    pass


def plain(text: str, shown: str = r"\x{:02x}") -> str:
    """Return text that is safe for a terminal: control characters of a stranger's words are shown, not obeyed.

    `shown` is the form that they are given, from the number of a character.
    """
    return _CONTROL.sub(lambda found: shown.format(ord(found[0])), text).encode(errors="backslashreplace").decode()


def print_line(text: str) -> None:
    """Print a line for a person on stderr, above the bars that are there; a listener gets it instead."""
    text = plain(text)
    listener = _listener.get()
    if listener is not None:
        listener(text)
    elif not _shown():
        pass
    elif "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)
        sys.stderr.flush()
    else:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the one place that does


def _shown() -> bool:
    """Whether there is a stderr: a program without a console has none, and its caller may have closed it."""
    return sys.stderr is not None and not sys.stderr.closed


class Progress:
    """Counts what is done, from any thread, and shows it although nothing may happen for long.

    Parameters
    ----------
    what
        What is done, in a word.
    total
        How much there is to do; None where nobody knows.
    unit
        What is counted, in the singular; `B` for bytes.
    done
        How much was done before; it does not count for the rate.

    """

    def __init__(self, what: str, total: int | None, unit: str, *, done: int = 0) -> None:
        self.note = ""
        self._listener = _listener.get()
        self._what, self._unit = what, unit
        self._total, self._done = total, done
        self._started = time.monotonic()
        # Moments and what was done by then: the rate is that of the last few lines, since a run that goes on where it
        # stopped begins with a leap.
        self._seen = deque([(self._started, done)], maxlen=LINES_OF_RATE)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._bar: tqdm[Any] | None = None
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to show it."""
        if self._listener is not None:
            self._tell(self._listener)
            return
        if _shown() and sys.stderr.isatty():
            from tqdm import tqdm

            columns, rows = os.get_terminal_size(sys.stderr.fileno())
            self._bar = tqdm(
                desc=self._what,
                total=self._total,
                initial=self._done,
                unit=self._unit,
                unit_scale=self._unit == _BYTES,
                smoothing=0.1,
                # A container's terminal may have no size, and tqdm would show nothing.
                ncols=columns or 80,
                nrows=rows or 24,
                leave=False,
                file=sys.stderr,
            )
        self._clock.start()

    def stop(self) -> None:
        """Leave no bar and no clock behind."""
        self._ended.set()
        if self._clock.ident is not None:
            self._clock.join()
        if self._bar is not None:
            # What was counted since tqdm last drew: the last words on a terminal that keeps them.
            self._bar.refresh()
            self._bar.close()

    def update(self, count: int = 1, *, more: int = 0) -> None:
        """Count `count` as done (a negative one as undone), and the total as greater by `more`."""
        with self._lock:
            self._done += count
            if self._total is not None:
                self._total += more
            if self._bar is not None:
                self._bar.total = self._total
                self._bar.set_postfix_str(self.note, refresh=False)
                self._bar.update(count)
            if self._listener is not None:
                self._tell(self._listener)

    def line(self) -> str:
        """Return how far it is, in words."""
        now, done = time.monotonic(), self._done
        then, before = self._seen[0]
        self._seen.append((now, done))
        rate = (done - before) / max(now - then, 1e-9)
        total = "" if self._total is None else f"/{self._number(self._total)}"
        words = [f"{self._number(done)}{total} {self._units}", f"{self._number(rate, 1)} {self._units}/s"]
        if self._total is not None and rate > 0:
            words.append(f"{_clock(max(self._total - done, 0) / rate)} left")
        note = f"; {self.note}" if self.note else ""
        return f"{self._what} after {_clock(now - self._started)}: {', '.join(words)}{note}"

    @property
    def _units(self) -> str:
        return "MB" if self._unit == _BYTES else f"{self._unit}s"

    def _number(self, value: float, digits: int = 0) -> str:
        return f"{value / 1e6:.1f}" if self._unit == _BYTES else f"{value:.{digits}f}"

    def _tell(self, listener: Listener) -> None:
        listener(Step(self._what, self._done, self._total, self._unit, self.note))

    def _tick(self) -> None:
        while not self._ended.wait(LINE_SECONDS if self._bar is None else CLOCK_SECONDS):
            if self._bar is None:
                print_line(self.line())
            else:
                self._bar.refresh()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
