"""Worker processes: started alike, ended with a pipe, and never alive after the process that started them."""

import ctypes
import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

# How often a job is tried: in a fresh process again when its worker died or failed.
ATTEMPTS = 2
# How long a worker may take to leave by itself once its pipe is closed.
GRACE_SECONDS = 5.0
# `prctl(2)`: the signal that the kernel sends to this process when the one that started it ends.
_PR_SET_PDEATHSIG = 1


def start_worker(serve: Callable[..., None], *args: Any) -> tuple[Connection, BaseProcess]:
    """Spawn a process that calls `serve(pipe, *args)`; returns our end of the pipe, and the process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_enter, args=(serve, theirs, *args), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def stop_worker(pipe: Connection, process: BaseProcess) -> None:
    """Close a worker's pipe and wait until it has left; one that does not leave is killed."""
    pipe.close()
    process.join(GRACE_SECONDS)
    if process.is_alive():
        kill_worker(pipe, process)


def kill_worker(pipe: Connection, process: BaseProcess) -> None:
    """End a worker that is at work."""
    pipe.close()
    process.kill()
    process.join()


def exit_words(code: int | None) -> str:
    """Say how a process ended."""
    if code is not None and code < 0:
        return f"signal {-code}"
    return f"exit code {code}"


def end_with_parent() -> None:
    """Make this process, which multiprocessing started, end when its parent does, whatever way the parent ends.

    A parent that is killed cannot tell its workers, and a worker looks at its pipe only between two episodes. Linux
    counts the thread that started this process as the parent: it must live as long as the work does.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # It ended before the kernel knew whom to tell.
        if os.getppid() != parent.pid:
            os._exit(1)
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _enter(serve: Callable[..., None], pipe: Connection, *args: Any) -> None:
    end_with_parent()
    # Ctrl-C belongs to the parent, which closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Several workers share the cores; one thread each leaves them to the renderer and the policy.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    serve(pipe, *args)
