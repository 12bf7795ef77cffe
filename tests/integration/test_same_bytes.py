"""The dataset is the same to the byte for any number of workers, and after any number of kills."""

import json
import random
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEMOS
from support import forked
from support.processes import alive, workers_of
from support.small import SMALL_PUSH, convert_small_push, small_push_hash, wait_for

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "interruptions.py"


def test_four_workers_and_one(tmp_path):
    """Two of them and one: `test_interruptions.py`."""
    assert convert_small_push(tmp_path / "data", workers=4) == small_push_hash()


@pytest.mark.proof
def test_killed_at_random_moments(tmp_path):
    """Parent and workers, twice; by itself the script does it 20 times (benchmarks/results/interruptions.md).

    Killed once, after its second episode: `test_interruptions.py`.
    """
    seed = random.SystemRandom().randrange(10**6)
    words = [sys.executable, "-W", "ignore", SCRIPT, "--moments", "2", "--seed", str(seed), "--out", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=580)
    assert done.returncode == 0, f"seed {seed}\n{done.stderr}"
    result = json.loads((tmp_path / "interruptions.json").read_text())
    assert result["kills"] == 2
    assert result["datasets_compared"] >= 2


def test_work_of_another_conversion_is_refused_before_any_work(mstool, tmp_path, capsys):
    """What a killed run left has 64 pixels; then 32 are asked for."""
    root, work = tmp_path / "data", tmp_path / ".data.work"
    words = [sys.executable, "-m", "mstool.cli", "convert", *SMALL_PUSH, "--demos", DEMOS / "PushCube-v1"]
    run = forked.start([*map(str, words), "--output", str(root)], stderr=subprocess.DEVNULL)
    wait_for(lambda: list(work.glob("*/episode_*/episode.json")))
    workers = workers_of(run.pid)
    run.kill()
    run.wait()
    wait_for(lambda: not any(map(alive, workers)))
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*")}

    other = [*SMALL_PUSH, "--demos", DEMOS / "PushCube-v1", "--output", root]
    other[other.index("64")] = "32"
    assert mstool("convert", *other) == 2
    err = capsys.readouterr().err
    assert f"{work} holds " in err
    assert "image_size: 64x64 there, 32x32 now" in err
    assert err.endswith(f"\nfix: {shlex.join(['mstool', 'convert', *map(str, other), '--fresh'])}\n")
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*")} == before
    assert mstool("convert", *other, "--episodes", "1", "--fresh") == 0
    assert not work.exists()
