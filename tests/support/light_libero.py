"""LIBERO's pictures without shadows and of small textures, which a processor draws in half of the time.

Imported by tests that draw them and, before any worker of theirs is forked, by the process that those are forked from:
MuJoCo's import opens a device, so robosuite is changed when a simulator has loaded it.
"""

from functools import cache
from typing import Any

import numpy as np

from mstool.simulators.libero import environment
from mstool.simulators.libero.library import load_libero

_SIDE = 64


@cache
def _lighten() -> None:
    import mujoco
    from robosuite.utils.binding_utils import MjRenderContext

    begin = MjRenderContext.__init__

    def begin_light(self: Any, sim: Any, *words: Any, **options: Any) -> None:
        model = sim.model._model
        model.vis.quality.shadowsize, model.vis.quality.offsamples = 1, 0
        cubes = model.tex_height == 6 * model.tex_width
        model.tex_width[:] = np.minimum(model.tex_width, _SIDE)
        model.tex_height[:] = np.where(cubes, 6 * model.tex_width, np.minimum(model.tex_height, _SIDE))
        begin(self, sim, *words, **options)
        self.scn.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False

    MjRenderContext.__init__ = begin_light


def _load() -> None:
    load_libero()
    _lighten()


environment.load_libero = _load
