"""How many worker processes, each with a simulator of its own, this machine bears."""

import os
import subprocess
from collections.abc import Sequence

# A worker's peak with two 256 px views is 1.3 GiB (benchmarks/convert.py), and 0.85 GiB of a GPU (14 workers on an
# H200, benchmarks/convert_gpu.py); with room to spare.
WORKER_BYTES = 2 * 1024**3
WORKER_GPU_BYTES = 1024**3
_MIB = 1024**2


def auto_workers(*, kept_cores: int = 0) -> int:
    """Choose a number of workers: one per core, but for `kept_cores`, as far as memory reaches, a GPU's too."""
    return _fitting(_cores() - kept_cores, free_gpu_bytes())


def waiting_workers() -> int:
    """Choose a number of workers that wait for a policy's answers.

    Two per core where a GPU infers: they take turns (benchmarks/results/evaluation_gpu.md). Else a core is kept for it.
    """
    gpus = free_gpu_bytes()
    return _fitting(2 * _cores() if gpus else _cores() - 1, gpus)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _fitting(workers: int, gpus: Sequence[int]) -> int:
    """Return as many of the workers as memory bears, and GPUs of which so many bytes are free."""
    room = [workers, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // WORKER_BYTES]
    if gpus:
        # They take the GPUs in turn (`devices.py`), so the fullest one decides.
        room.append(len(gpus) * (min(gpus) // WORKER_GPU_BYTES))
    return max(1, min(room))


def free_gpu_bytes() -> list[int]:
    """Return the free memory of every NVIDIA GPU that this process may use; empty without one, or without its tool.

    `nvidia-smi` is asked: torch would open each GPU and keep half a gigabyte of it.
    """
    words = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        if visible.strip() in {"", "-1"}:
            return []
        words.append(f"--id={visible}")
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20)
        return [int(line) * _MIB for line in done.stdout.split("\n") if line.strip()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
