"""The process that tests' commands are forked from: their libraries' imports take longer than what the commands do.

Run by `support.forked` as: python forkserver.py CHANNEL MODULE...

It imports the modules, opens nothing and starts no thread. For each request that comes over CHANNEL, a Unix socket, it
forks a process with the request's descriptors, environment and folder, which then runs the request's words as a Python
just started would. Of a fresh process it lacks the imports, and the taking apart of what was imported at its
end, which takes a second; tests of those start fresh ones.

This file's name is in the command line of what it forks, which is how `support.processes` knows a fork server.
"""

import atexit
import builtins
import fcntl
import gc
import importlib
import io
import multiprocessing.util
import os
import pickle
import runpy
import signal
import socket
import sys
import tempfile
import threading
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

_ROOM = 1 << 20
_DESCRIPTORS = 32
# Where received descriptors wait for their numbers.
_HIGH = 200
# Written into the environment by libraries when they are imported.
SET_BY_IMPORTS = {"LD_LIBRARY_PATH", "PYGAME_HIDE_SUPPORT_PROMPT", "SAPIEN_PACKAGE_PATH", "TORCHINDUCTOR_CACHE_DIR"}
# Allocates nothing by itself and is gone in a forked process.
_HARMLESS_THREAD = "jemalloc_bg_thd"


def wait_for_command(channel: socket.socket) -> dict[str, Any]:
    """Fork a process for each request; returns the request, in that process."""
    while True:
        message, received, _, _ = socket.recv_fds(channel, _ROOM, _DESCRIPTORS)
        if not message:
            os._exit(0)
        read, write = os.pipe()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            pid = os.fork()
            if pid == 0:
                # From then on its parent is the one who asked.
                while os.getppid() == between:
                    time.sleep(0.001)
                for end in (read, write):
                    os.close(end)
                channel.close()
                request: dict[str, Any] = pickle.loads(message)
                _place(received, request["descriptors"])
                return request
            os.write(write, str(pid).encode())
            # An orphan becomes a child of the one who asked.
            os._exit(0)
        os.waitpid(between, 0)
        channel.send(os.read(read, 32))
        for descriptor in (read, write, *received):
            os.close(descriptor)


def become(request: dict[str, Any]) -> list[str]:
    """Make this process what the request asks for; returns the words that it is to run."""
    if request["start_new_session"]:
        os.setsid()
    set_by_imports = {name: value for name, value in os.environ.items() if name in SET_BY_IMPORTS}
    os.environ.clear()
    os.environ.update(set_by_imports | request["environment"])
    os.chdir(request["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tempfile.tempdir = None
    sys.modules["numpy"].random.seed()
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())
    words: list[str] = request["words"]
    if words[0] == sys.executable:
        words = words[1:]
    while words[0] == "-W":
        sys.warnoptions.append(words[1])
        warnings.simplefilter(words[1])  # type: ignore[arg-type]
        words = words[2:]
    _keep_a_fork_server()
    return words


def run(words: list[str]) -> None:
    """Run as `python WORDS` does; what ends a program ends this process."""
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    if words[0] == "-m":
        sys.argv = ["-m", *words[2:]]
        sys.path.insert(0, str(Path.cwd()))
        runpy._run_module_as_main(words[1])  # type: ignore[attr-defined]
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.path.insert(0, "")
        exec(words[1], main.__dict__)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        main.__file__ = words[0]
        exec(compile(Path(words[0]).read_bytes(), words[0], "exec"), main.__dict__)


def _keep_a_fork_server() -> None:
    """Fork the process that this one's workers will be forked from while it is as clean as this one is now.

    `multiprocessing` would start a fresh one when the first worker is wanted, which imports everything again.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _become_fork_server(theirs)
    theirs.close()
    os.register_at_fork(after_in_child=ours.close)
    start_fresh = multiprocessing.util.spawnv_passfds

    def start(path: bytes, args: list[Any], descriptors: list[int]) -> int:
        if "multiprocessing.forkserver" not in str(args[-1]) or ours.fileno() < 0:
            return start_fresh(path, args, descriptors)
        numbers = [0, 1, 2, *descriptors]
        socket.send_fds(ours, [pickle.dumps((args[-1], dict(os.environ), numbers))], numbers)
        ours.close()
        return pid

    multiprocessing.util.spawnv_passfds = start

    def leave() -> None:
        if ours.fileno() >= 0:
            ours.close()
            os.waitpid(pid, 0)

    atexit.register(leave)


def _become_fork_server(channel: socket.socket) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    message, received, _, _ = socket.recv_fds(channel, _ROOM, _DESCRIPTORS)
    if not message:
        os._exit(0)
    code, environment, numbers = pickle.loads(message)
    channel.close()
    _place(received, numbers)
    os.environ.clear()
    os.environ.update(environment)
    exec(code, {})
    sys.exit(0)


def _place(received: list[int], numbers: list[int]) -> None:
    """Give received descriptors the numbers that they have at the sender's."""
    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _HIGH) for each in received]
    for each in received:
        os.close(each)
    for each, number in zip(high, numbers, strict=True):
        os.dup2(each, number)
        os.close(each)


def _serve() -> list[str]:
    channel = socket.socket(fileno=int(sys.argv[1]))
    del sys.path[0]  # this folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in sys.argv[2:]:
        importlib.import_module(name)
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    threads = [name for name in threads if name != _HARMLESS_THREAD]
    if len(threads) > 1:
        sys.exit(f"importing {' '.join(sys.argv[2:])} starts threads, which no fork survives: {threads}")
    gc.collect()
    gc.freeze()
    return become(wait_for_command(channel))


def end(run_program: Callable[[], None]) -> NoReturn:
    """End this process as the interpreter does when a program ends."""
    code: object = 0
    try:
        run_program()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:  # noqa: BLE001  # whatever it is, Python prints it
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    if not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    words = _serve()
    end(lambda: run(words))
