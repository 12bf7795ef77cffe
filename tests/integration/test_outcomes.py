"""What a conversion makes of crashing workers and a full disk: real processes and files, synthetic episodes."""

import json
import os
import subprocess

import pytest
from conftest import DEMOS
from support.shard_worker import crash_once_and_again, make_shard

from mstool.dataset.fingerprint import content_hash
from mstool.dataset.target import work_folder
from mstool.errors import MstoolError
from mstool.maniskill2lerobot.batches import Batch, Part
from mstool.maniskill2lerobot.convert import convert
from mstool.maniskill2lerobot.demos import open_demos
from mstool.maniskill2lerobot.executors import local as executor
from mstool.maniskill2lerobot.executors.base import Done
from mstool.maniskill2lerobot.options import make_recipe


def run(root, **more):
    source = open_demos("PickCube-v1", str(DEMOS / "PickCube-v1"), episodes=None, seed=0, notify=print)
    batch = Batch(source, make_recipe("PickCube-v1", image_size="16"))
    (report,) = convert([Part([batch], root, "local/x")], formats={"v3.0": "video"}, **more)
    return report


def test_an_episode_that_crashes_its_worker_is_dropped_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(executor, "serve", crash_once_and_again)
    said = []
    report = run(tmp_path / "data", workers=1, notify=said.append)
    assert report.dropped == {"its worker died (signal 11)": 1}
    assert (report.asked, report.converted) == (4, 3)
    assert any("episode 2 of" in line and "failed twice" in line for line in said)
    log = (tmp_path / "data" / "meta" / "mstool" / "episodes.jsonl").read_text().splitlines()
    assert [json.loads(line)["source_episode"] for line in log] == [0, 1, 3]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to mount a small file system")
def test_disk_full_during_assembly_keeps_the_episodes(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    root = disk / "data"

    def shards_then_no_space(jobs, workers):
        for job in jobs:
            yield Done(job, make_shard(job))
        free = os.statvfs(disk)
        (disk / "ballast").write_bytes(b"x" * (free.f_bavail * free.f_frsize - 8192))

    def shards(jobs, workers):
        return (Done(job, make_shard(job)) for job in jobs)

    try:
        with pytest.raises(MstoolError, match="is full; the episodes finished so far are kept there") as error:
            run(root, executor=shards_then_no_space)
        assert error.value.fix == "free space and run the same command again: it goes on where it stopped"
        assert not root.exists()
        finished = {path: path.stat().st_mtime_ns for path in work_folder(root).glob("*/*/episode.json")}
        assert len(finished) == 4
        assert (work_folder(root) / "dataset").exists()  # it was the assembly that found the disk full

        (disk / "ballast").unlink()
        run(root, executor=shards)
        assert not work_folder(root).exists()
        run(tmp_path / "whole", executor=shards)
        assert content_hash(root) == content_hash(tmp_path / "whole")
    finally:
        # Lazy: the traceback that the test looked at may still hold a file open.
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
