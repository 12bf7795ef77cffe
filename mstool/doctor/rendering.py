"""What SAPIEN renders on, and how fast; asked in processes of their own, which a driver may crash."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from mstool.doctor.line import Line, first_line
from mstool.driver.lavapipe import OLDEST_MESA
from mstool.installation import fix_command

# The first pictures compile the shaders, on one old core in about a minute.
PROBE_SECONDS = 180.0
VULKAN_SECONDS = 60.0


def ask_module(module: str, timeout: float) -> tuple[dict[str, Any], str]:
    """Run `python -m module` and read the JSON line it ends with.

    Returns
    -------
    answer, problem
        One of the two is empty.

    Raises
    ------
    TimeoutError
        It did not answer in time.

    """
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", module],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no answer in {timeout:.0f} s") from error
    return read_answer(done.returncode, done.stdout, done.stderr)


def read_answer(code: int, out: str, err: str) -> tuple[dict[str, Any], str]:
    """Tell an answer from a crash: status < 0 is the signal that ended the process."""
    if code < 0:
        return {}, f"the driver crashed (signal {-code})"
    last = out.strip().splitlines()[-1] if out.strip() else ""
    try:
        answer = json.loads(last)
    except ValueError:
        answer = None
    if code != 0 or not isinstance(answer, dict):
        said = err.strip().splitlines()
        return {}, first_line(said[-1] if said else f"exit status {code}")
    return answer, ""


def vulkan_line(answer: dict[str, Any], problem: str) -> Line:
    """Judge the Vulkan devices; Mesa's software one must be new enough for SAPIEN."""
    problem = problem or answer.get("problem", "")
    devices = answer.get("devices", [])
    if problem or not devices:
        return Line("vulkan", "missing", problem or "no device", fix_command())
    found = "; ".join(f"{device['name']}: {device['driver']}" for device in devices)
    if all(_too_old(device["name"], device["driver"]) for device in devices):
        return Line("vulkan", "missing", f"{found}: SAPIEN needs Mesa 24.3 or newer", fix_command())
    return Line("vulkan", "ok", found)


def rendering_line(answer: dict[str, Any], problem: str) -> Line:
    """Judge the time for one 256x256 camera of a real ManiSkill scene."""
    problem = problem or answer.get("problem", "")
    if problem:
        return Line("rendering", "missing", first_line(problem), fix_command())
    found = f"{answer['device']} ({answer['backend']}): {answer['ms_per_frame']:.1f} ms per 256x256 frame"
    return Line("rendering", "ok", found)


def rendering_lines(*, draw: bool = True) -> list[Line]:
    """Return what Vulkan offers and, when asked to draw, what SAPIEN does with it."""
    lines = [_asked("vulkan", vulkan_line, "mstool.doctor.vulkan", VULKAN_SECONDS)]
    if draw:
        lines.append(_asked("rendering", rendering_line, "mstool.simulators.maniskill.probe", PROBE_SECONDS))
    return lines


def _asked(name: str, judge: Callable[[dict[str, Any], str], Line], module: str, timeout: float) -> Line:
    try:
        return judge(*ask_module(module, timeout))
    except TimeoutError as error:
        return Line(name, "timed out", str(error), "run mstool doctor again when the machine is less busy")


def _too_old(name: str, driver: str) -> bool:
    """Whether this is Mesa's software device (`llvmpipe`) of a version that SAPIEN cannot draw with."""
    version = re.search(r"Mesa (\d+)\.(\d+)", driver)
    return "llvmpipe" in name and version is not None and (int(version[1]), int(version[2])) < OLDEST_MESA
