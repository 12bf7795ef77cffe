"""A control step of robosuite with MuJoCo's work done once: the same numbers in half the time.

In each of its 25 substeps robosuite 1.4 calls `mj_forward` for itself, once more for its controller, and then
`mj_step`, which does the same work a third time. MuJoCo computes positions and velocities (`mj_step1`) before the
controller reads them, and forces, accelerations and the next state (`mj_step2`) after it has written its torques. What
differs are force sensors, which robosuite keeps in a buffer and nobody observes: they are those of the substep before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def computed_once(sim: Any) -> Iterator[None]:
    """Let robosuite's `MjSim` compute each quantity once per substep in the block, which executes control steps."""
    import mujoco

    model, data = sim.model._model, sim.data._data
    known = False

    def forward() -> None:
        nonlocal known
        if not known:
            mujoco.mj_step1(model, data)
            known = True

    def step(with_udd: bool = True) -> None:  # noqa: ARG001
        nonlocal known
        mujoco.mj_step2(model, data)
        known = False

    sim.forward, sim.step = forward, step
    try:
        yield
    finally:
        del sim.forward, sim.step
