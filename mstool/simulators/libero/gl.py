"""What MuJoCo renders with: EGL where that has a device, on a GPU or on the processor, else OSMesa."""

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


def choose_gl() -> str:
    """Return `MUJOCO_GL` where it is set, else what there is of `egl` and `osmesa`.

    Raises
    ------
    SetupError
        Neither library is installed.

    """
    given = os.environ.get("MUJOCO_GL", "").lower()
    if given in {"egl", "osmesa"}:
        return given
    if egl_devices():
        return "egl"
    if ctypes.util.find_library("OSMesa"):
        return "osmesa"
    manager = next((command for name, command in _PACKAGES.items() if shutil.which(name)), "")
    lack = "has no device to draw on" if ctypes.util.find_library("EGL") else "is not on this machine"
    raise SetupError(
        f"LIBERO renders through EGL or OSMesa: EGL {lack}, OSMesa is not there",
        fix=(manager if os.geteuid() == 0 else f"sudo {manager}") if manager else "install libEGL with Mesa's drivers",
    )


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
