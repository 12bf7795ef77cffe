"""Ctrl-C is heard, whatever a library makes of it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ctrl_c_heard() -> Iterator[None]:
    """Make the block end with KeyboardInterrupt if Ctrl-C was pressed in it, also where that was swallowed.

    An extension that calls Python may turn it into an error of its own (nanobind, of an argument that it was
    converting: TypeError "incompatible function arguments"), or go on as if nothing was. Around whatever takes any
    error for a result. Outside the main thread no signal arrives, and nothing is done.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        before(number, frame)

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    except Exception as error:
        if pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
