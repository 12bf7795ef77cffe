"""Commands in processes of their own, forked from one that has imported their libraries (`support/forkserver.py`).

`run` and `start` are `subprocess.run` and `subprocess.Popen` for a Python program: the same words, pipes, signals and
exit codes, ten to twenty seconds of imports less. What a library reads from the environment at import it has read
already, so a program with another environment than the tests' starts in a fresh process.
"""

import atexit
import ctypes
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SERVER = Path(__file__).with_name("forkserver.py")
# What reads nothing of a hub's settings: imported once for all fork servers.
_PLAIN = ("torch", "torchvision", "pandas", "pyarrow.parquet", "pyarrow.dataset", "av", "h5py", "scipy.signal",
          "matplotlib.pyplot", "sapien", "pydantic.type_adapter", "pydantic.json_schema")  # fmt: skip
_CHECKS = Path(__file__).parents[2] / "mstool" / "validators" / "checks"
# What commands and their workers import besides.
_ALL = ("mani_skill.envs", "transformers", "datasets", "accelerate", "diffusers", "lerobot.datasets",
        "lerobot.scripts.lerobot_train", "lerobot.scripts.lerobot_eval", "lerobot.scripts.lerobot_edit_dataset",
        "lerobot.policies.factory", "lerobot.policies.act.modeling_act", "mstool.cli.app", "mstool.training.run",
        "mstool.training.prepare", "mstool.evaluation.runner", "mstool.evaluation.worker",
        "mstool.maniskill2lerobot.executors.job", "mstool.api.datasets", "mstool.api.stats", "mstool.api.validate",
        "mstool.api.hub", "mstool.api.finetune", "mstool.validators.html", "mstool.validators.show.run",
        "mstool.norm_stats.output", "mstool.hub.push", "mstool.hub.pull",
        *(f"mstool.validators.checks.{path.stem}" for path in sorted(_CHECKS.glob("[!_]*.py"))))  # fmt: skip
# Read by libraries at import: there is a fork server for each of their values.
_READ_AT_IMPORT = ("HF_HUB_OFFLINE",)
# Read when they are used: a forked process sees its own.
_READ_LATER = {"HF_TOKEN", "NO_PROXY", "TMPDIR"}
# What tests set in this process and libraries read at import. Much else is set by libraries when they are imported.
_SET_BY_TESTS = ("HF_", "MS_", "MSTOOL_", "XDG_", "VK_", "CUDA_VISIBLE", "OMP_", "PYTHON", "HOME", "PATH", "LANG")
# `prctl(2)`: orphans below this process become its children.
_PR_SET_CHILD_SUBREAPER = 36


class ForkServer:
    """One such process, and how to ask it; it ends with this process.

    Parameters
    ----------
    modules
        What it imports.
    environment
        With which it does.
    parent
        The one that it is forked from itself; None: a fresh process.

    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str], parent: "ForkServer | None" = None):
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        with theirs:
            words = [sys.executable, "-W", "ignore", str(_SERVER), str(theirs.fileno()), *modules]
            options: dict[str, Any] = {"env": environment, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            self._process = _popen(parent, words, stderr=self._said, pass_fds=[theirs.fileno()], **options)
        atexit.register(self.close)

    def fork(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Have a process forked; returns its number. It is a child of this process, as one that this had started."""
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(self._channel, [pickle.dumps(request)], descriptors)
            answer = self._channel.recv(32)
        finally:
            libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        if not answer:
            self._said.seek(0)
            raise RuntimeError(f"the fork server ended: {self._said.read().decode(errors='replace')}")
        return int(answer)

    def close(self) -> None:
        """End it."""
        self._channel.close()
        self._process.wait()


class Forked(subprocess.Popen):
    """A process that a fork server forked; all else is `subprocess.Popen`."""

    def __init__(self, server: ForkServer, words: Sequence[object], **options: Any):
        self._server = server
        super().__init__(words, **options)

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, gid, gids, uid, umask,
        start_new_session, process_group,
    ):  # fmt: skip
        request = {
            "words": list(map(os.fspath, args)),
            "environment": dict(os.environ if env is None else env),
            "folder": os.fspath(cwd or Path.cwd()),
            "start_new_session": start_new_session,
            "descriptors": [0, 1, 2, *pass_fds],
        }
        streams = [number if there == -1 else there for number, there in enumerate((p2cread, c2pwrite, errwrite))]
        self.pid = self._server.fork(request, [*streams, *pass_fds])
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def start(words: Sequence[object], **options: Any) -> subprocess.Popen:
    """Start a Python program, `[sys.executable, ...]` or a script beside it, as `subprocess.Popen` does."""
    words = list(map(str, words))
    return _popen(_server_for(options.get("env") or os.environ), words, **options)


def run(words: Sequence[object], *, capture_output: bool = False, timeout: float | None = None, **options: Any):
    """Run a Python program to its end, as `subprocess.run` does."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    check = options.pop("check", False)
    with start(words, **options) as process:
        try:
            out, error = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, error)
    if check:
        done.check_returncode()
    return done


def _popen(server: ForkServer | None, words: list[str], **options: Any) -> subprocess.Popen:
    return subprocess.Popen(words, **options) if server is None else Forked(server, words, **options)


_BEFORE = dict(os.environ)
_servers: dict[tuple[str | None, ...], ForkServer] = {}


def _server_for(environment: Mapping[str, str]) -> ForkServer | None:
    """Return the fork server for an environment; None for one that only a fresh process has read."""
    given = _differing(environment, os.environ)
    changed = {name for name in _differing(os.environ, _BEFORE) if name.startswith(_SET_BY_TESTS)}
    if (given | changed) - _READ_LATER - {*_READ_AT_IMPORT}:
        return None
    # "0" is what is taken for a variable that is not set.
    key = tuple(None if (value := environment.get(name)) == "0" else value for name in _READ_AT_IMPORT)
    if key not in _servers:
        if () not in _servers:
            _servers[()] = ForkServer(_PLAIN, _BEFORE)
        own = {name: value for name, value in zip(_READ_AT_IMPORT, key, strict=True) if value is not None}
        rest = {name: value for name, value in _BEFORE.items() if name not in _READ_AT_IMPORT}
        _servers[key] = ForkServer(_ALL, {**rest, **own}, _servers[()])
    return _servers[key]


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}
