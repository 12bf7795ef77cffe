"""The moment that LIBERO observes: robosuite samples 2 ms into a control step, not at its end 48 ms later.

What an observation after action t shows is thus about what was there before it: so every policy that was trained and
evaluated in LIBERO has seen it. The scene is copied at that moment, and drawn only when it is asked for.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

from mstool.contract import Array


class Moment:
    """The scene of one environment as its last observation saw it; `env` is LIBERO's `ControlEnv`."""

    def __init__(self, env: Any) -> None:
        from robosuite.utils.observables import Observable, sensor

        self._env = env
        self._model: Any = None
        self._data: Any = None

        def copy(_: Any) -> Array:
            self._copy()
            return np.zeros(1)

        copy = sensor(modality="moment")(copy)
        env.env.add_observable(Observable("mstool_moment", sensor=copy, sampling_rate=env.env.control_freq))

    def _copy(self) -> None:
        """Copy the scene: robosuite calls this when it samples what an observation shows."""
        import mujoco

        sim = self._env.env.sim
        if self._model is not sim.model:
            self._model, self._data = sim.model, mujoco.MjData(sim.model._model)
        mujoco.mj_copyData(self._data, sim.model._model, sim.data._data)

    def draw(self, camera: str, size: tuple[int, int]) -> Array:
        """Return uint8 (H, W, 3) as OpenGL has it, the lowest row first."""
        context, height, width = self._env.sim._render_context_offscreen, *size
        context.gl_ctx.make_current()  # robosuite does so only when it makes one
        live, context.data = context.data, SimpleNamespace(_data=self._data)
        try:
            picture: Array = self._env.sim.render(camera_name=camera, width=width, height=height)
        finally:
            context.data = live
        return picture
