"""Conversion on a real Ray cluster of two nodes (processes on this machine): the same bytes, whatever dies."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DEMOS
from support import forked
from support.small import SMALL_PUSH, small_push_hash, wait_for

from mstool.dataset.fingerprint import content_hash
from mstool.errors import MstoolError

ray = pytest.importorskip("ray")
GIB = 1024**3
NODE = {"num_cpus": 1, "memory": 3 * GIB, "object_store_memory": 100 * 1024**2, "include_dashboard": False}
# How soon the head knows that a node is dead.
HEALTH = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


def processes_of(folder: str) -> list[str]:
    """Command lines of living processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode()
            zombie = (path.parent / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if folder in words and not zombie:
            found.append(words)
    return found


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": HEALTH})
    session = nodes.head_node.get_session_dir_path()
    try:
        nodes.second = nodes.add_node(**{key: value for key, value in NODE.items() if key != "include_dashboard"})
        assert processes_of(session)
        yield nodes
    finally:
        nodes.shutdown()
        wait_for(lambda: not processes_of(session), 20)


def command(cluster, root: Path) -> list[str]:
    words = [sys.executable, "-m", "mstool.cli", "convert", *SMALL_PUSH, "--demos", str(DEMOS / "PushCube-v1")]
    return [*words, "--output", root.name, "--executor", "ray", "--ray-address", cluster.address]


@pytest.mark.proof
def test_the_same_bytes_as_local(cluster, tmp_path):
    """With a relative root: the nodes work elsewhere and are told where it is. The next test loses a node besides."""
    root = tmp_path / "data"
    done = forked.run(command(cluster, root), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert content_hash(root) == small_push_hash()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_killed_node_loses_nothing(cluster, tmp_path):
    root, shards = tmp_path / "data", tmp_path / ".data.work" / "PushCube-v1"
    run = forked.start(command(cluster, root), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    # Both nodes are at an episode when one of them dies.
    wait_for(lambda: len(list(shards.glob(".episode_*"))) == 2)
    cluster.remove_node(cluster.second, allow_graceful=False)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert content_hash(root) == small_push_hash()


def test_an_address_without_a_cluster_is_said_in_time(mstool, tmp_path, capsys, monkeypatch):
    from mstool.maniskill2lerobot.executors import ray_cluster

    monkeypatch.setattr(ray_cluster, "HEALTH_SECONDS", 5.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(MstoolError, match=f"no Ray cluster at 127.0.0.1:{port}: no answer within 5 s"):
            ray_cluster.connect(f"127.0.0.1:{port}")
        assert time.monotonic() - started < 15
    words = ["--demos", DEMOS / "PushCube-v1", "--output", tmp_path / "out" / "data", "--executor", "ray"]
    assert mstool("convert", "--env", "PushCube-v1", *words, "--ray-address", f"127.0.0.1:{port}") == 1
    err = capsys.readouterr().err
    assert f"no Ray cluster at 127.0.0.1:{port}: " in err
    assert "fix: start one with `ray start --head`" in err
    assert not (tmp_path / "out").exists()
