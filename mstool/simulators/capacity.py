"""How many worker processes, each with a simulator of its own, this machine bears."""

import os
import subprocess

# A worker's peak with two 256 px views is 1.3 GiB (benchmarks/convert.py), and 0.85 GiB of a GPU (14 workers on an
# H200, benchmarks/convert_gpu.py); with room to spare.
WORKER_BYTES = 2 * 1024**3
WORKER_GPU_BYTES = 1024**3
_MIB = 1024**2


def auto_workers(*, per_core: int = 1, kept_cores: int = 0) -> int:
    """Choose a number of workers: so many per core, but for `kept_cores`, as far as memory reaches, a GPU's too."""
    cores = per_core * (len(os.sched_getaffinity(0)) - kept_cores)
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    room = [cores, memory // WORKER_BYTES]
    gpus = free_gpu_bytes()
    if gpus:
        # They take the GPUs in turn (`devices.py`), so the fullest one decides.
        room.append(len(gpus) * (min(gpus) // WORKER_GPU_BYTES))
    return max(1, min(room))


def waiting_workers() -> int:
    """Choose a number of workers that wait for a policy's answers.

    Two per core where a GPU infers: they take turns (benchmarks/results/evaluation_gpu.md). Else a core is kept for it.
    """
    return auto_workers(per_core=2) if free_gpu_bytes() else auto_workers(kept_cores=1)


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
