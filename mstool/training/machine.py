"""What this machine offers to a training: devices, cores, memory, space on disk, a video decoder."""

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mstool.errors import MstoolError, SaidElsewhereError

_MOST_WORKERS = 8


def rank() -> int:
    """Return this process's number under `accelerate launch`, 0 without."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return the number of processes under `accelerate launch`, 1 without."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def after_first(device: str, work: Callable[[], object]) -> None:
    """Do something in process 0 of `accelerate launch` while the others wait."""
    if world_size() == 1:
        work()
        return
    from accelerate import PartialState  # type: ignore[import-untyped]

    with PartialState(cpu=device == "cpu").main_process_first():
        if rank() == 0:
            work()


@contextmanager
def said_by_first(error: type[MstoolError]) -> Iterator[None]:
    """Leave to process 0 what every process of `accelerate launch` meets alike.

    Raises
    ------
    SaidElsewhereError
        In the other processes, in its place and with its exit code.

    """
    try:
        yield
    except error as met:
        if rank() == 0:
            raise
        elsewhere = SaidElsewhereError(met.message, fix=met.fix)
        elsewhere.exit_code = met.exit_code
        raise elsewhere from met


def gpus() -> int:
    """Return the number of CUDA devices."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device_bytes(device: str) -> int | None:
    """Return a GPU's memory, None for other devices."""
    import torch

    if not device.startswith("cuda"):
        return None
    return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)


def default_workers() -> int:
    """Return how many processes load data: all cores but one, at most eight."""
    return max(0, min(_MOST_WORKERS, (len(os.sched_getaffinity(0)) or 1) // max(1, world_size()) - 1))


def free_disk(folder: Path) -> int:
    """Return the free bytes where a folder is, or would be made."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def free_memory() -> int:
    """Return the bytes of memory that can be used without swapping, within the control group's limit."""
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        available = min(available, int(limit) - used) if limit != "max" else available
    except (OSError, StopIteration, ValueError):
        pass
    return available


def video_backend() -> str:
    """Return `torchcodec` if it loads (it needs FFmpeg's shared libraries), else `pyav`."""
    try:
        importlib.import_module("torchcodec.decoders")
    except Exception:  # noqa: BLE001  # RuntimeError, OSError or ImportError by version: all mean "not here"
        return "pyav"
    return "torchcodec"
