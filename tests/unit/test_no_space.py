"""A full disk is said as such whoever wrote, and only what is there is said to be kept."""

import errno

import pytest

from mstool.maniskill2lerobot.convert import _interrupted
from mstool.maniskill2lerobot.executors.job import disk_full, finished
from mstool.paths import explain, no_space


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
