"""The machine itself: processors, GPU, disk."""

import os
import shutil
from pathlib import Path

from mstool.doctor.line import Line, first_line

GIB = 1024**3
# Two 256x256 cameras as H.264 take about 1 MB an episode; a fine-tuning checkpoint of Pi0.5 takes 7 GB.
LITTLE_GIB = 5.0


def processors_line() -> Line:
    """Return how many processors this process may use: `convert` starts as many workers."""
    return Line("processors", "ok", str(len(os.sched_getaffinity(0))))


def gpu_line() -> Line:
    """Look for a CUDA device: fine-tuning Pi0.5 needs one, converting does not."""
    try:
        import torch

        if not torch.cuda.is_available():
            return Line("gpu", "ok", "none (only fine-tuning of large policies needs one)")
        properties = torch.cuda.get_device_properties(0)
    except (ImportError, OSError, RuntimeError, AssertionError) as error:
        return Line("gpu", "warning", first_line(error), "check the NVIDIA driver: nvidia-smi")
    count = torch.cuda.device_count()
    return Line("gpu", "ok", f"{count} x {properties.name}, {properties.total_memory / GIB:.0f} GiB each")


def disk_line(folder: Path, free_bytes: int) -> Line:
    """Free space where datasets are written."""
    free = free_bytes / GIB
    if free < LITTLE_GIB:
        return Line(
            "disk", "warning", f"{free:.1f} GiB free in {folder}", "free some, or write to another disk with --output"
        )
    return Line("disk", "ok", f"{free:.0f} GiB free in {folder}")


def machine_lines(folder: Path) -> list[Line]:
    """Return the lines about the machine; `folder` is where datasets go."""
    return [processors_line(), gpu_line(), disk_line(folder, shutil.disk_usage(folder).free)]
