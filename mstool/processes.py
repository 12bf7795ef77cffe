"""Worker processes: started alike, ended alike, and never alive after the process that started them.

On Linux they are forked from a process of their own that has imported what they need and has opened nothing: no device,
no thread. A simulator's import takes longer than a short episode, and what it loads is in memory once.
"""

import ctypes
import gc
import multiprocessing
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from mstool.errors import MstoolError

# How often a job is tried: in a fresh process again when its worker died or failed.
ATTEMPTS = 2
# What the process that workers are forked from imports at its start, beside what its first worker needs.
IMPORTED_BEFORE: list[str] = []
# How long the process that workers are forked from is waited for once it no longer answers, s.
_ENDING = 2.0
# `prctl(2)`: the signal that the kernel sends to this process when the one that started it ends.
_PR_SET_PDEATHSIG = 1


def worker_number() -> int:
    """Return which of its parent's worker processes this one is, from 0: multiprocessing counts those it starts."""
    number = multiprocessing.current_process().name.rpartition("-")[2]
    return int(number) - 1 if number.isdigit() else 0


def start_worker(serve: Callable[..., None], *args: Any, imports: Sequence[str] = ()) -> tuple[Connection, BaseProcess]:
    """Start a process that calls `serve(pipe, *args)`; returns our end of the pipe, and the process.

    Parameters
    ----------
    serve
        A function of a module, which the process finds by its name.
    *args
        What it is given besides.
    imports
        Modules that importing neither starts a thread nor opens a device: the first worker has them imported, the
        others share them. A worker that needs more imports it by itself.

    Raises
    ------
    MstoolError
        No process could be started.

    """
    linux = platform.system() == "Linux"
    context = multiprocessing.get_context("forkserver") if linux else multiprocessing.get_context("spawn")
    names = dict.fromkeys(["mstool.fork_server", *IMPORTED_BEFORE, serve.__module__, *imports])
    context.set_forkserver_preload(list(names))
    if linux:
        _start_fork_server()
    ours, theirs = context.Pipe()
    process = context.Process(target=_enter, args=(dict(os.environ), serve, theirs, *args), daemon=True)
    try:
        process.start()
    except (EOFError, ConnectionError) as error:
        raise _fork_server_ended() from error
    theirs.close()
    return ours, process


def _start_fork_server() -> None:
    """Start it, unless it runs."""
    with deaf_to_ctrl_c():
        forkserver.ensure_running()


def _fork_server_ended() -> MstoolError:
    """Say how it ended, which may take it a moment; it stays for multiprocessing to find, which starts another."""
    server: Any = forkserver._forkserver
    code, until = None, time.monotonic() + _ENDING
    while code is None and time.monotonic() < until:
        try:
            found = os.waitid(os.P_PID, server._forkserver_pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:  # waited for already
            break
        if found is not None:
            code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        time.sleep(0.01)
    how = f" ({exit_words(code)})" if code is not None else ""
    said = f"the process that workers are forked from ended{how}"
    if code in {None, -signal.SIGKILL}:
        return MstoolError(
            f"{said}: for want of memory?", fix="free memory, or take fewer --workers, and run the same command again"
        )
    return MstoolError(said, fix="mstool doctor")


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Make the processes that the block starts deaf to Ctrl-C from their first moment: it would end their imports."""
    # Once it runs it leaves this thread's mask as it is.
    resource_tracker.ensure_running()
    pressed: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    waits = handler is not None and threading.current_thread() is threading.main_thread()
    if waits:
        # Another thread may receive it, which would end the block with a process half started.
        signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if waits:
            signal.signal(signal.SIGINT, handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def killed_by_ctrl_c() -> Iterator[None]:
    """Where Ctrl-C ends the block, kill the processes that it started, which are deaf to it and may be importing."""
    others = {process.pid for process in multiprocessing.active_children()}
    try:
        yield
    except KeyboardInterrupt:
        # torch's handler would raise an error for each of its workers.
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for process in multiprocessing.active_children():
            if process.pid not in others:
                process.kill()
                process.join()
        signal.signal(signal.SIGCHLD, before)
        raise


def kill_worker(pipe: Connection, process: BaseProcess) -> None:
    """End a worker, at work or not: what it finished, it has answered, and leaving by itself takes it seconds."""
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

    A parent that is killed cannot tell its workers, and a worker looks at its pipe only between two episodes. The
    process that workers are forked from ends with the parent, and they with it. Where there is none, Linux counts the
    thread that started this process as the parent: it must live as long as the work does.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # It ended before the kernel knew whom to tell.
        if os.getppid() != (_forked_from() or parent.pid):
            os._exit(1)
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _forked_from() -> int | None:
    """Return the process that this one was forked from, and let go of what would keep that alive; None for no such."""
    if forkserver.get_inherited_fds() is None:
        return None
    from mstool.fork_server import PID

    server: Any = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
        server._forkserver_alive_fd = None
    return PID


def _enter(environment: Mapping[str, str], serve: Callable[..., None], pipe: Connection, *args: Any) -> None:
    end_with_parent()
    if forkserver.get_inherited_fds() is not None:
        _take_over(environment)
    # Ctrl-C belongs to the parent, which closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Several workers share the cores; one thread each leaves them to the renderer and the policy.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    serve(pipe, *args)


def _take_over(environment: Mapping[str, str]) -> None:
    """Begin as a process that the parent had started itself: with its environment, and with garbage collected."""
    from mstool.fork_server import ENVIRONMENT

    for name in {*ENVIRONMENT, *environment}:
        if name not in environment:
            os.environ.pop(name, None)
        elif environment[name] != ENVIRONMENT.get(name):
            os.environ[name] = environment[name]
    # What was imported is nobody's garbage: looking through it would copy its memory.
    gc.freeze()
    gc.enable()
