"""What MuJoCo renders with: EGL where that has a device, on a GPU or on the processor, else OSMesa."""

import contextlib
import ctypes
import ctypes.util
import os
import shutil
from functools import cache

from mstool.errors import SetupError
from mstool.processes import worker_number

_PACKAGES = {
    "apt-get": "apt-get install -y libegl1 libegl-mesa0 libgl1",
    "dnf": "dnf install -y mesa-libEGL mesa-dri-drivers",
}
# Of EGL's headers; and what a device that draws on the processor says of itself.
_EXTENSIONS = 0x3055
_SOFTWARE = "EGL_MESA_device_software"
_NVIDIA = "EGL_NV_device_cuda"
_MOST_DEVICES = 64
# Mesa's names of it, the newest first.
_OSMESA = ("libOSMesa.so", "libOSMesa.so.8", "libOSMesa.so.6")


def choose_gl() -> str:
    """Return `MUJOCO_GL` where it is set, else what there is of `egl` and `osmesa`.

    Raises
    ------
    SetupError
        It names what cannot be had here, or neither can.

    """
    given = os.environ.get("MUJOCO_GL", "").strip().lower()
    lacks = {"egl": _egl_lack, "osmesa": _osmesa_lack}
    for name in [given] if given else lacks:
        if name in lacks and not lacks[name]():
            return name
    found = next((name for name, lack in lacks.items() if not lack()), "")
    if not given:
        raise SetupError(
            f"LIBERO renders through EGL or OSMesa: {_egl_lack()}, {_osmesa_lack()}", fix=packages_command()
        )
    why = lacks[given]() if given in lacks else "LIBERO renders through egl or osmesa"
    raise SetupError(
        f"MUJOCO_GL={given}: {why}{f'; without it, {found} is taken' if found else ''}",
        fix="unset MUJOCO_GL" if found else f"unset MUJOCO_GL; {packages_command()}",
    )


def packages_command() -> str:
    """Return the command that brings what EGL needs."""
    manager = next((command for name, command in _PACKAGES.items() if shutil.which(name)), "")
    if not manager:
        return "install libEGL with Mesa's drivers"
    return manager if os.geteuid() == 0 else f"sudo {manager}"


def render_backend() -> str:
    """Return `gpu` where EGL's first device, which robosuite takes, is one; else `cpu`."""
    on_gpu = choose_gl() == "egl" and bool(egl_devices()) and _SOFTWARE not in egl_devices()[0]
    return "gpu" if on_gpu else "cpu"


def render_device() -> int:
    """Return which of EGL's devices this process draws with: workers share a machine's GPUs in turn.

    -1 leaves it to robosuite, which takes the first, or what MUJOCO_EGL_DEVICE_ID says. The NVIDIA GPUs are EGL's first
    devices, in CUDA's order; CUDA_VISIBLE_DEVICES names those that may be used.
    """
    gpus = [number for number, said in enumerate(egl_devices()) if _NVIDIA in said]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if visible:
        gpus = [number for number in gpus if str(number) in visible.split(",")]
    if choose_gl() != "egl" or len(gpus) < 2 or "MUJOCO_EGL_DEVICE_ID" in os.environ:
        return -1
    return gpus[worker_number() % len(gpus)]


def _egl_lack() -> str:
    if egl_devices():
        return ""
    return "EGL has no device to draw on" if ctypes.util.find_library("EGL") else "EGL is not on this machine"


def _osmesa_lack() -> str:
    """Look for it as PyOpenGL does too, which takes no linker's word: LD_LIBRARY_PATH may lead to it."""
    if ctypes.util.find_library("OSMesa"):
        return ""
    for name in _OSMESA:
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return ""
    return "OSMesa is not on this machine"


@cache
def egl_devices() -> tuple[str, ...]:
    """Return what each of EGL's devices says that it can do; nothing is opened."""
    name = ctypes.util.find_library("EGL")
    try:
        egl = ctypes.CDLL(name) if name else None
    except OSError:
        return ()
    if egl is None:
        return ()
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    query, describe = (egl.eglGetProcAddress(word) for word in (b"eglQueryDevicesEXT", b"eglQueryDeviceStringEXT"))
    if not query or not describe:
        return ()
    found, count = (ctypes.c_void_p * _MOST_DEVICES)(), ctypes.c_int()
    ask = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(query)
    if not ask(_MOST_DEVICES, found, ctypes.byref(count)):
        return ()
    words = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)(describe)
    return tuple((words(device, _EXTENSIONS) or b"").decode() for device in found[: count.value])
