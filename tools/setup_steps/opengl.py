"""EGL for LIBERO's renderer, MuJoCo: asked for only with its extra."""

from __future__ import annotations

import ctypes.util
import shlex

from mstool.driver.install import root_prefix
from mstool.driver.shell import SetupError, run, say

APT = ("apt-get", "install", "-y", "--no-install-recommends", "libegl1", "libegl-mesa0", "libgl1", "libopengl0")


def ensure_opengl() -> None:
    """Install EGL with the rights there are, or raise `SetupError` with the command; nothing where it is there."""
    if ctypes.util.find_library("EGL") or ctypes.util.find_library("OSMesa"):
        return
    prefix = root_prefix()
    by_hand = f"  sudo apt-get update && sudo {shlex.join(APT)}    (or your system's EGL)"
    if prefix is None:
        raise SetupError(f"LIBERO renders through EGL. This needs root. Run, then the same command again:\n{by_hand}")
    say("Installing EGL, which LIBERO renders through")
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    run([*prefix, *environment, "apt-get", "update"])
    if run([*prefix, *environment, *APT]) != 0:
        raise SetupError(f"EGL could not be installed (see above). Try:\n{by_hand}")
