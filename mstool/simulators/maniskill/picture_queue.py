"""Pictures of many frames without waiting for one before the next is begun.

Physics runs ahead and only notes where everything stands. Copies of the scene, which never step, are then put there,
each at another frame, and the renderer is given all of them at once.
"""

from collections.abc import Sequence
from typing import Any

import cv2

from mstool.contract import Array
from mstool.simulators.maniskill.scene_copy import SceneCopy


class PictureQueue:
    """Copies of one scene, each with a frame of its own."""

    def __init__(self, copies: Sequence[SceneCopy]) -> None:
        self.size = len(copies)
        self._copies = copies

    def begin(self, frames: Sequence[Sequence[Any]]) -> None:
        """Begin to render frames, the poses of all entities of each, at most `size`."""
        for copy, poses in zip(self._copies, frames, strict=False):
            for entity, pose in zip(copy.entities, poses, strict=True):
                entity.pose = pose
            copy.scene.update_render()
            for camera in copy.cameras.values():
                camera.take_picture()

    def pictures(self, count: int) -> list[dict[str, Array]]:
        """Wait for the first `count` frames that `begin` began: {view: uint8 (H, W, 3)} of each."""
        return [
            {
                view: cv2.cvtColor(camera.get_picture("Color"), cv2.COLOR_RGBA2RGB)
                for view, camera in copy.cameras.items()
            }
            for copy in self._copies[:count]
        ]
