"""Does SAPIEN render here, and how fast? `python -m mstool.simulators.maniskill.probe` prints the answer as JSON.

A program of its own: a broken Vulkan driver may end the process that loads it.
"""

import json
import re
import time

import numpy as np

from mstool.errors import MstoolError
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.devices import render_backend
from mstool.simulators.maniskill.environment import ManiSkillSimulator

FRAMES = 20


def probe(frames: int = FRAMES) -> dict[str, object]:
    """Time one 256x256 camera on PickCube while the arm moves.

    Returns
    -------
    dict
        `backend` "gpu" or "cpu", `device` its name, `ms_per_frame`, `first_frame_s` (shader compilation) and
        `problem`, empty when all went well.

    """
    try:
        backend = render_backend()
        simulator = ManiSkillSimulator(SimulatorSpec("PickCube-v1", "pd_joint_delta_pos", views=("base",)))
    except MstoolError as error:
        return {"problem": error.message}
    simulator.reset(seed=0)
    started = time.perf_counter()
    simulator.images()
    first = time.perf_counter() - started
    drawing = 0.0
    blank = True
    action = np.full(simulator.action_size, 0.1, np.float32)
    for _ in range(frames):
        simulator.step(action)
        started = time.perf_counter()
        image = simulator.images()["base"]
        drawing += time.perf_counter() - started
        blank = blank and image.min() == image.max()
    simulator.close()
    return {
        "backend": backend,
        "device": device_name(_device_summary(), backend),
        "ms_per_frame": round(1000 * drawing / frames, 2),
        "first_frame_s": round(first, 2),
        "problem": "SAPIEN draws blank images" if blank else "",
    }


def device_name(summary: str, backend: str) -> str:
    """Find the device of a back end in SAPIEN's summary of devices.

    `summary` has one block per device: `GPU: NAME`, then indented `Supported: 1`, `cudaId: -1` and more.
    """
    blocks = re.findall(r"GPU: (.+)\n((?:[ \t]+.+\n?)*)", summary)
    for name, facts in blocks:
        cuda = re.search(r"cudaId:\s*(-?\d+)", facts)
        on_gpu = cuda is not None and int(cuda.group(1)) >= 0
        if on_gpu == (backend == "gpu") and re.search(r"Supported:\s*1", facts):
            return str(name).strip()
    return backend


def _device_summary() -> str:
    import sapien

    return str(sapien.render.get_device_summary())


if __name__ == "__main__":
    print(json.dumps(probe()))  # noqa: T201 - the answer to the process that asked
