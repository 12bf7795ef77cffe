"""A full disk is said as such whoever wrote, and only what is there is said to be kept."""

import errno
import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import h5py
import pytest

from mstool.maniskill2lerobot.convert import _interrupted
from mstool.maniskill2lerobot.executors.job import disk_full, finished
from mstool.paths import explain, no_space
from mstool.simulators import hdf5_writing
from mstool.simulators.hdf5_writing import HeldFile, check_room
from mstool.simulators.seed_workers import serve_seeds


def test_full_disks_are_known_whoever_writes():
    # Its words for the operating system's refusal; it is no OSError.
    full = pytest.importorskip("safetensors").SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )
    assert not isinstance(full, OSError)
    for error in (full, OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "quota")):
        assert no_space(error)
        assert explain(error, []).fix == "free space and run the same command again"
    for other in (ValueError("a bug"), OSError(errno.ENOENT, "nothing")):
        assert not no_space(other)
        assert explain(other, []) is None


def test_episodes_are_said_to_be_kept_where_they_are(tmp_path):
    nothing = disk_full(tmp_path, kept=finished(tmp_path))
    assert "kept" not in nothing.message
    assert "goes on" not in nothing.fix
    assert _interrupted(finished(tmp_path), tmp_path).message == "interrupted before an episode was finished"
    (tmp_path / "demos" / "0").mkdir(parents=True)
    (tmp_path / "demos" / "0" / "episode.json").write_text("{}")
    assert disk_full(tmp_path, kept=finished(tmp_path)).message.endswith("finished so far are kept there")
    assert _interrupted(finished(tmp_path), tmp_path).message.endswith(f": 1 in {tmp_path}")


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_hdf5_is_written_whole_or_says_that_the_disk_is_full(tmp_path, monkeypatch):
    """HDF5 itself, which cannot write what it holds, ends the process when it exits."""
    path = tmp_path / "a.h5"
    with HeldFile(path) as file:
        file["x"] = [1, 2]
        assert not path.exists()
    with h5py.File(path) as file:
        assert file["x"][()].tolist() == [1, 2]
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"), HeldFile(tmp_path / "b.h5") as file:
        file["x"] = [1]
    assert not file
    assert [each.name for each in tmp_path.iterdir()] == ["a.h5"]


def test_what_will_not_fit_is_not_begun(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x" * 100)
    monkeypatch.setattr(hdf5_writing.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 150))
    check_room(tmp_path, [tmp_path / "a"])
    with pytest.raises(OSError, match="No space left"):
        check_room(tmp_path, [tmp_path / "a"] * 2)


def test_a_worker_says_that_the_disk_is_full():
    sent, seeds = [], iter([3, None])
    pipe = SimpleNamespace(recv=lambda: next(seeds), send=sent.append)
    serve_seeds(pipe, lambda: nullcontext(SimpleNamespace(attempt=full)))
    assert [error.message for error in sent] == ["the disk is full"]
