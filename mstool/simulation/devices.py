"""Which device SAPIEN renders on."""

from functools import cache

from mstool.errors import SetupError


@cache
def render_backend() -> str:
    """Return `gpu` where SAPIEN can open one, else `cpu` (Mesa's lavapipe).

    Raises
    ------
    SetupError
        Neither is there: no Vulkan driver is installed.

    """
    import sapien

    failures = []
    for backend, device in (("gpu", "cuda"), ("cpu", "cpu")):
        try:
            sapien.render.RenderSystem(sapien.Device(device))
        except RuntimeError as error:
            failures.append(str(error).strip())
        else:
            return backend
    said = "; ".join(dict.fromkeys(failures))
    raise SetupError(
        f"no device to render on: no GPU with a Vulkan driver and no software one ({said})",
        fix="make setup  (it installs Mesa's software Vulkan driver, or prints what to install)",
    )
