"""Workers are forked from a process that has their imports, and begin as if the parent had started each."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import forkserver
from pathlib import Path

import pytest
from support.processes import workers_of
from support.workers import say_what_you_are

from mstool.errors import MstoolError
from mstool.processes import deaf_to_ctrl_c, kill_worker, killed_by_ctrl_c, start_worker
from mstool.training.loaders import deaf


def ask(*names):
    pipe, process = start_worker(say_what_you_are, *names)
    try:
        assert process.pid in workers_of(os.getpid())
        return pipe.recv()
    finally:
        kill_worker(pipe, process)


def test_each_has_the_environment_of_its_moment(monkeypatch):
    monkeypatch.setenv("MSTOOL_TEST", "one")
    assert ask("MSTOOL_TEST")[1] == {"MSTOOL_TEST": "one"}
    monkeypatch.setenv("MSTOOL_TEST", "two")
    assert ask("MSTOOL_TEST")[1] == {"MSTOOL_TEST": "two"}
    monkeypatch.delenv("MSTOOL_TEST")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # A core each, unless the user says otherwise.
    assert ask("MSTOOL_TEST", "OMP_NUM_THREADS")[1] == {"MSTOOL_TEST": None, "OMP_NUM_THREADS": "1"}


def is_deaf(pid):
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigBlk"], 16) & 1 << (signal.SIGINT - 1))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_ctrl_c_ends_processes_that_load_data_in_the_one_that_trains_alone(method):
    """It would end their imports in a traceback each."""
    process = deaf(method).Process(target=time.sleep, args=(60,))

    @killed_by_ctrl_c()
    def train():
        process.start()
        assert is_deaf(process.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert process.exitcode == -signal.SIGKILL
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_ctrl_c_waits_until_a_process_is_started():
    started = []

    @deaf_to_ctrl_c()
    def start():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # as another thread has it
        signal.raise_signal(signal.SIGINT)
        started.append(1)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert started == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked from a process on Linux alone")
def test_ctrl_c_does_not_reach_the_process_that_they_are_forked_from():
    """A terminal sends it to the whole group: its imports would end in a traceback."""
    ask()
    assert is_deaf(forkserver._forkserver._forkserver_pid)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_each_is_a_process_of_its_own_that_collects_garbage():
    one, two = ask(), ask()
    assert len({os.getpid(), one[0], two[0]}) == 3
    assert one[2]
    assert one[3] == 1


@pytest.mark.sim
@pytest.mark.parametrize("word", ["osmesa", "nonsense"])
def test_what_mujoco_renders_through_is_nothing_to_maniskill(word):
    code = (
        "import os, mstool.simulators.maniskill.registry as it; it.load_maniskill()\n"
        "print('PickCube-v1' in it.env_ids(), os.environ['MUJOCO_GL'])"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MUJOCO_GL": word}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.split() == ["True", word], done.stderr


@pytest.mark.sim
def test_nothing_that_is_imported_before_opens_a_device():
    """A fork of a process with threads, or with CUDA initialised, is of no use."""
    code = (
        "import os, sys\n"
        "from mstool.simulators.benchmarks import BENCHMARKS\n"
        "for benchmark in BENCHMARKS:\n"
        "    for name in benchmark.worker_imports: __import__(name)\n"
        "import torch\n"
        "assert 'sapien' in sys.modules and not torch.cuda.is_initialized()\n"
        "mapped = open('/proc/self/maps').read()\n"
        "print(len(os.listdir('/proc/self/task')), 'libvulkan' in mapped, 'lerobot' in sys.modules)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.split() == ["1", "False", "False"], done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="there is no such process elsewhere")
@pytest.mark.parametrize(
    ("end", "said", "fix"),
    [
        (signal.SIGKILL, "ended (signal 9): for want of memory?", "free memory"),
        (signal.SIGSEGV, "ended (signal 11)", "mstool doctor"),
    ],
)
def test_how_the_process_that_workers_are_forked_from_ended_is_told(monkeypatch, end, said, fix):
    ask("OMP_NUM_THREADS")

    def ended(self):
        os.kill(forkserver._forkserver._forkserver_pid, end)
        raise EOFError

    with monkeypatch.context() as patch:
        patch.setattr("multiprocessing.process.BaseProcess.start", ended)
        with pytest.raises(MstoolError) as told:
            start_worker(say_what_you_are)
    assert told.value.message.endswith(said)
    assert told.value.fix.startswith(fix)
    ask("OMP_NUM_THREADS")  # another one is started
