"""Put all lines together."""

from pathlib import Path

from mstool.doctor.hub import hub_lines
from mstool.doctor.libero import libero_line
from mstool.doctor.line import Line
from mstool.doctor.machine import machine_lines
from mstool.doctor.rendering import rendering_lines
from mstool.doctor.versions import (
    clash_line,
    mplib_line,
    opencv_line,
    opencv_problem,
    package_lines,
    python_line,
    ray_line,
)
from mstool.doctor.video import video_lines
from mstool.installation import installed


def examine(folder: Path, *, draw: bool = True) -> list[Line]:
    """Look at everything mstool stands on.

    Parameters
    ----------
    folder
        An existing folder on the disk that datasets are written to.
    draw
        Also draw with SAPIEN and time it, which takes about twenty seconds on two cores.

    """
    return [
        python_line(),
        clash_line(installed("mstool")),
        *package_lines(),
        opencv_line(installed("opencv-python"), installed("opencv-python-headless"), opencv_problem()),
        mplib_line(installed("mplib")),
        ray_line(installed("ray")),
        *rendering_lines(draw=draw),
        libero_line(),
        *video_lines(),
        *hub_lines(),
        *machine_lines(folder),
    ]
