"""A connection to a Ray cluster, and what its nodes have room for."""

import logging
import math
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mstool.errors import MstoolError, UsageError
from mstool.installation import require
from mstool.simulators.capacity import WORKER_BYTES

# How long an address may take to answer at all, and Ray to say that it is healthy.
ANSWER_SECONDS = 5.0
HEALTH_SECONDS = 30.0
# Ray counts fractions of a GPU in steps of 1e-4.
GPU_STEPS = 10_000


def connect(address: str) -> Any:
    """Join the cluster at `address` (HOST:PORT, or `auto`: the one that runs on this machine); returns Ray's module.

    Raises
    ------
    SetupError
        Ray is not installed.
    UsageError
        The address is none.
    MstoolError
        No cluster answers there. Ray alone would try for two minutes and then end the process.

    """
    # Before the import: Ray's usage statistics would go out on the network.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    require("--executor ray", ["ray"])
    import ray

    if ray.is_initialized():
        return ray
    _check_address(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, str(error).splitlines()[0]) from error
    return ray


def _check_address(address: str) -> None:
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or "://" in address:
            raise UsageError(
                f"--ray-address {address!r} is not HOST:PORT (mstool itself runs on a machine of the cluster)",
                fix="use --ray-address HOST:6379 with the head node's name, or --ray-address auto on one of its nodes",
            )
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, str(error)) from error
    words = [sys.executable, "-m", "ray.scripts.scripts", "health-check"]
    words += [] if address == "auto" else ["--address", address]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=HEALTH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _no_cluster(address, f"no answer within {HEALTH_SECONDS:.0f} s") from error
    if said.returncode:
        raise _no_cluster(address, said.stderr.strip().splitlines()[-1] if said.stderr.strip() else "not healthy")


def _no_cluster(address: str, reason: str) -> MstoolError:
    where = "that this machine belongs to" if address == "auto" else f"at {address}"
    return MstoolError(
        f"no Ray cluster {where}: {reason}",
        fix="start one with `ray start --head` and give its --ray-address, or use --executor local",
    )


def capacity(nodes: Sequence[Mapping[str, Any]]) -> int:
    """Count the workers that fit: one per core as far as memory reaches, on GPU nodes alone where there are any.

    Parameters
    ----------
    nodes
        What `ray.nodes()` returns.

    """
    rooms = [node["Resources"] for node in nodes if node["Alive"]]
    with_gpu = [room for room in rooms if room.get("GPU", 0) >= 1]
    return sum(int(min(room.get("CPU", 0), room.get("memory", 0) // WORKER_BYTES)) for room in (with_gpu or rooms))


def gpu_share(nodes: Sequence[Mapping[str, Any]], workers: int) -> float:
    """Return the part of a GPU that each of `workers` asks for, so that all of them find one; 0 without GPUs."""
    gpus = int(sum(node["Resources"].get("GPU", 0) for node in nodes if node["Alive"]))
    if not gpus:
        return 0.0
    per_gpu = math.ceil(workers / gpus)
    return math.floor(GPU_STEPS / per_gpu) / GPU_STEPS
