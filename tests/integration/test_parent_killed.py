"""A command that is killed takes its workers with it, in the middle of what they do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEMOS
from support import forked
from support.processes import alive, wait_for, workers_of

TESTS = Path(__file__).parents[1]
PICK = ("--env", "PickCube-v1", "--workers", "2")


@pytest.fixture
def start():
    """Start a program in `tests/`; it is killed at the end if the test did not."""
    started = []

    def run(*words: object, begin=forked.start) -> subprocess.Popen:
        process = begin([sys.executable, *map(str, words)], cwd=TESTS, stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def kill(process: subprocess.Popen, workers: list[int]) -> None:
    """Kill the parent alone; its workers must not outlive it."""
    assert workers
    assert all(map(alive, workers))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(map(alive, workers)), seconds=5)


def test_workers_of_every_kind(start, tmp_path):
    process = start("support/sleepers.py", tmp_path, begin=subprocess.Popen)  # its pool's processes import it
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    kill(process, [int(path.name) for path in tmp_path.iterdir()])


def test_convert(start, tmp_path):
    words = ["convert", *PICK, "--demos", DEMOS / "PickCube-v1", "--image-size", "64"]
    words += ["--render-detail", "fast", "--output", tmp_path / "data"]
    process = start("-m", "mstool.cli", *words)
    at_work = tmp_path / ".data.work" / "PickCube-v1"
    wait_for(lambda: len(list(at_work.glob(".episode_*"))) == 2)
    kill(process, workers_of(process.pid))


def test_eval(start, tmp_path):
    process = start("-m", "mstool.cli", "eval", "--policy", "planner", *PICK, "--output", tmp_path / "results")
    wait_for(lambda: list(tmp_path.glob("results/*.jsonl")))
    kill(process, workers_of(process.pid))
