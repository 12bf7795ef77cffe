"""What ends a conversion early: clear words, exit code 1, nothing half-written, and the way on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from conftest import DEMOS
from support import forked

from mstool.dataset.fingerprint import FileHash, hash_file
from mstool.installation import fix_command

SMALL = ("--image-size", "32", "--cameras", "base", "--render-detail", "fast", "--workers", "1")
THREE = ("--episodes", "3")


def words(root: Path, demos: Path, *more: str) -> list[str]:
    return ["--env", "PickCube-v1", "--demos", str(demos), "--output", str(root), *SMALL, *more]


def command(root: Path, demos: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "mstool.cli", "convert", *words(root, demos, *more)]


def contents(root: Path) -> dict[str, FileHash]:
    return {str(path.relative_to(root)): hash_file(path) for path in sorted(root.rglob("*")) if path.is_file()}


def wait_for(condition, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def short_demos(demo_copy):
    """The four demos, each cut to its first twelve steps: quick to replay, never successful."""
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        for name in list(file):
            actions = file[name]["actions"][:12]
            del file[name]["actions"]
            file[name]["actions"] = actions
    return demo_copy


def test_no_success_at_all(short_demos, tmp_path, mstool, capfd):
    root = tmp_path / "out" / "data"
    assert mstool("convert", *words(root, short_demos)) == 1
    err = capfd.readouterr().err
    assert "none of the 4 demos led to success: 4 x not successful" in err
    assert err.endswith(" --from-states\n")
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_no_device_to_render_on(tmp_path):
    nothing = {"VK_DRIVER_FILES": "/nonexistent.json", "VK_ICD_FILENAMES": "/nonexistent.json"}
    root = tmp_path / "out" / "data"
    done = subprocess.run(
        command(root, DEMOS / "PickCube-v1"), capture_output=True, text=True, check=False, env={**os.environ, **nothing}
    )
    assert done.returncode == 1
    assert "no device to render on" in done.stderr
    assert f"fix: {fix_command()}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not root.exists()


def test_ctrl_c_then_kill_then_the_same_bytes(tmp_path, mstool):
    """Interrupted twice, by Ctrl-C and by SIGKILL, the dataset is that of an uninterrupted run with more workers.

    Two finished episodes have a damaged part, as a power cut leaves it: they are made again.
    """
    root, work = tmp_path / "cut" / "data", tmp_path / "cut" / ".data.work" / "PickCube-v1"
    for stop, episodes in ((signal.SIGINT, 1), (signal.SIGKILL, 2)):
        run = forked.start(
            command(root, DEMOS / "PickCube-v1", *THREE), stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        wait_for(lambda n=episodes: len(list(work.glob("episode_*/episode.json"))) >= n)
        run.send_signal(stop)
        _, err = run.communicate(timeout=60)
        assert not root.exists()
        if stop == signal.SIGINT:
            assert run.returncode == 1
            assert "finished episodes, which the same command goes on with: " in err
            assert "\nfix: mstool convert " in err
            assert "Traceback" not in err
    finished = {path: path.stat().st_mtime_ns for path in work.glob("episode_*/episode.json")}
    one, other = sorted(path.parent for path in finished)[:2]
    (one / "rows.npz").write_bytes((one / "rows.npz").read_bytes()[:-100])
    (other / "base.mp4").unlink()
    # The killed run's worker may still be finishing its episode; it does no harm.
    done = forked.run(command(root, DEMOS / "PickCube-v1", *THREE), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(finished) >= 2
    assert not work.exists()

    whole = tmp_path / "whole" / "data"
    assert mstool("convert", *words(whole, DEMOS / "PickCube-v1", *THREE, "--workers", "2")) == 0
    assert contents(root) == contents(whole)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to mount a small file system")
def test_disk_full_keeps_what_is_finished(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=220k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        root = disk / "data"
        done = forked.run(command(root, DEMOS / "PickCube-v1"), capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stdout
        assert "is full" in done.stderr
        assert "run the same command again" in done.stderr
        assert "Traceback" not in done.stderr
        assert not root.exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        done = forked.run(command(root, DEMOS / "PickCube-v1"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (root / "meta" / "info.json").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
