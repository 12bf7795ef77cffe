"""Put right what an installation without `make setup` lacks: one OpenCV, no mplib, a Vulkan driver."""

import shlex
import sys

from mstool.doctor.versions import opencv_line, opencv_problem
from mstool.driver.install import ensure_driver
from mstool.driver.shell import SetupError as DriverError
from mstool.driver.shell import run
from mstool.errors import SetupError
from mstool.installation import fix_command, installed, own_clone, remove_command, repair_command
from mstool.progress import Notify


def repair(notify: Notify) -> None:
    """Run the commands that are needed, in this installation and, for the driver, on this system.

    In a clone's own environment that is `make setup`, which installs what is locked.

    Parameters
    ----------
    notify
        Told every command before it is run.

    Raises
    ------
    SetupError
        A command failed, or the driver needs rights that are not there: the fix names the commands.

    """
    if own_clone() is not None:
        _run(fix_command(), notify)
        return
    if installed("mplib"):
        _run(remove_command("mplib"), notify)
    plain, headless = installed("opencv-python"), installed("opencv-python-headless")
    if opencv_line(plain, headless, opencv_problem()).status != "ok":
        if plain:
            _run(remove_command("opencv-python"), notify)
        # The files that both own went with it.
        _run(repair_command(f"opencv-python-headless{f'=={headless}' if headless else ''}"), notify)
    try:
        render = ensure_driver(sys.executable)
    except DriverError as error:
        message, _, fix = str(error).partition("\n")
        raise SetupError(message, fix=fix.strip() or "mstool doctor") from error
    notify(f"SAPIEN renders on {'the GPU' if render.device == 'cuda' else 'the processor (lavapipe)'}")


def _run(command: str, notify: Notify) -> None:
    notify(command)
    if run(shlex.split(command)) != 0:
        raise SetupError(f"this failed: {command}", fix=command)
