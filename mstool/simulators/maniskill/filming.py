"""How an episode's pictures are taken: many frames at a time on a GPU, one after the other elsewhere."""

import os
from collections.abc import Mapping
from typing import Any

from mstool.simulators.film import Film, FrameSink, SinglePictures, TakesPictures
from mstool.simulators.maniskill.devices import render_backend
from mstool.simulators.maniskill.picture_batch import BatchedPictures, PictureBatch
from mstool.simulators.maniskill.scene_copy import NotCopiedError, copy_scene, placed

# Frames that are rendered together: sixteen or more are no faster, and each costs a scene's memory.
COPIES = 8
# For benchmarks/convert_gpu.py: another number of them, 0 for single pictures.
COPIES_VARIABLE = "MSTOOL_RENDER_COPIES"


def film(simulator: TakesPictures, env: Any, cameras: Mapping[str, Any], sink: FrameSink) -> Film:
    """Begin to film the scene that was reset last."""
    copies = int(os.environ.get(COPIES_VARIABLE, COPIES))
    if not cameras or render_backend() != "gpu" or copies == 0:
        return SinglePictures(simulator, sink)
    try:
        made = [copy_scene(env, cameras) for _ in range(copies)]
    except NotCopiedError as error:
        return SinglePictures(simulator, sink, one_by_one=str(error))
    return BatchedPictures(PictureBatch(made), placed(env, cameras), sink)
