"""Which device SAPIEN renders on, opened once."""

from contextlib import suppress
from functools import cache
from typing import Any

from mstool.errors import SetupError
from mstool.installation import fix_command
from mstool.processes import worker_number


def render_backend() -> str:
    """Return `gpu` where SAPIEN can open one, else `cpu` (Mesa's lavapipe).

    Raises
    ------
    SetupError
        Neither is there: no Vulkan driver is installed.

    """
    return _renderer()[0]


def render_device() -> str:
    """Return what ManiSkill calls the device that this process renders on: `cpu`, or `gpu:1`.

    Worker processes share a machine's GPUs in turn: the third worker of two GPUs renders on the first.
    """
    return f"gpu:{_turn()}" if render_backend() == "gpu" else "cpu"


def keep_renderer() -> None:
    """Hold SAPIEN's renderer open for the life of the process, where there is one.

    SAPIEN closes it with the last scene that uses it, so rebuilding a scene opens it anew: that doubles the time of a
    reset, and NVIDIA's driver refuses the thirteenth Vulkan instance of a process (`ErrorIncompatibleDriver`).
    """
    with suppress(SetupError):
        _renderer()


@cache
def _renderer() -> tuple[str, Any]:
    import sapien

    failures = []
    for backend, device in (("gpu", f"cuda:{_turn()}"), ("cpu", "cpu")):
        try:
            return backend, sapien.render.RenderSystem(sapien.Device(device))
        except RuntimeError as error:
            failures.append(str(error).strip())
    said = "; ".join(dict.fromkeys(failures))
    raise SetupError(
        f"no device to render on: no GPU with a Vulkan driver and no software one ({said})",
        fix=fix_command(),
    )


def _turn() -> int:
    """Return which GPU is this process's."""
    import torch

    return worker_number() % max(1, torch.cuda.device_count())
