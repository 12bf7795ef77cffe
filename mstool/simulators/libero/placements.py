"""Where LIBERO places what no initial state holds: drawn from numpy's global generator at every reset.

openpi's run seeds it once for a task, so each of its episodes, in the order of the initial states, begins where the
draws have come to. LIBERO adds the same samplers of drawers and knobs at every reset to those of all resets before, so
that it draws more from reset to reset.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from mstool.contract import Array


class Placements:
    """The draws of one environment; `env` is LIBERO's `ControlEnv`, as it was made."""

    def __init__(self, env: Any) -> None:
        self._env = env
        self._model: tuple[Array, Array] | None = None
        # Samplers of drawers and knobs that loading the model adds; making the environment has loaded it once.
        self._added = list(env.env.object_property_initializers)

    @contextlib.contextmanager
    def drawn(self, seed: int, earlier: int) -> Iterator[None]:
        """Let a reset in the block draw what the one after `earlier` others since `seed` does; 4 ms for each of them.

        The generator is put back: others may be using it.
        """
        before = np.random.get_state()
        np.random.seed(seed)
        try:
            self._env.env.object_property_initializers = self._added * self._draw(earlier)
            yield
        finally:
            np.random.set_state(before)

    def _draw(self, resets: int) -> int:
        """Draw as `resets` resets do, each from the model as it is loaded; return how often it was loaded by then."""
        from robosuite.utils.errors import RandomizationError

        loads = 1
        if not resets:
            return loads
        domain, (positions, turns) = self._env.env, self._loaded()
        while resets:
            loads += 1
            domain.object_property_initializers = self._added * loads
            domain.sim.model.body_pos[:], domain.sim.model.body_quat[:] = positions, turns
            domain.sim.reset()
            domain.sim.forward()
            with contextlib.suppress(RandomizationError):  # LIBERO's reset draws again, too
                domain._reset_internal()
                resets -= 1
        return loads

    def _loaded(self) -> tuple[Array, Array]:
        """Return every body's position (B, 3) and quaternion (B, 4) as the model has them before anything is drawn."""
        if self._model is None:
            import mujoco

            model = mujoco.MjModel.from_xml_string(self._env.env.model.get_xml())
            self._model = model.body_pos.copy(), model.body_quat.copy()
        return self._model
