"""Pictures of many frames in one call of a GPU's renderer.

Physics runs ahead and only notes where everything stands. Copies of the scene, which never step, are then put there,
each at another frame, and rendered together: SAPIEN's `RenderSystemGroup`, which takes poses from a buffer on the GPU
and does not care which PhysX they come from.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.simulators.film import FrameSink
from mstool.simulators.maniskill.devices import render_device
from mstool.simulators.maniskill.scene_copy import SceneCopy


class PictureBatch:
    """Copies of one scene, on the GPU that this process renders on, and the group that renders them.

    Raises
    ------
    RuntimeError
        The GPU's memory is full.

    """

    def __init__(self, copies: Sequence[SceneCopy]) -> None:
        import sapien
        import torch

        self.size = len(copies)
        self._rows = len(copies[0].entities)
        self._device = torch.device(render_device().replace("gpu", "cuda"))
        with torch.cuda.device(self._device):
            # Position, quaternion wxyz, six velocities, which the renderer does not read.
            self._poses = torch.zeros((self.size * self._rows, 13), dtype=torch.float32, device=self._device)
            for number, copy in enumerate(copies):
                for row, entity in enumerate(copy.entities):
                    _follow(entity, number * self._rows + row)
            self._group = sapien.render.RenderSystemGroup([copy.scene.render_system for copy in copies])
            self._group.set_cuda_poses(sapien.CudaArray(self._poses))
            self._cameras = {
                view: self._group.create_camera_group([copy.cameras[view] for copy in copies], ["Color"])
                for view in copies[0].cameras
            }
        # Freed after what draws them.
        self._copies = copies

    def begin(self, frames: Any) -> None:
        """Begin to render frames, `where_all_stands` of each, at most `size`; returns before the pictures are there."""
        import torch

        frames = [[[*pose.p, *pose.q] for pose in poses] for poses in frames]
        poses = np.zeros((self.size, self._rows, 13), np.float32)
        poses[: len(frames), :, :7] = frames
        poses[len(frames) :, :, :7] = frames[-1]
        with torch.cuda.device(self._device):
            self._poses.copy_(torch.from_numpy(poses.reshape(-1, 13)))
            torch.cuda.synchronize()
            self._group.update_render()
            for camera in self._cameras.values():
                camera.take_picture()

    def pictures(self, count: int) -> list[dict[str, Array]]:
        """Wait for the first `count` frames that `begin` began: {view: uint8 (H, W, 3)} of each."""
        import torch

        with torch.cuda.device(self._device):
            found = {
                view: camera.get_picture_cuda("Color").torch()[:count, ..., :3].contiguous().cpu().numpy()
                for view, camera in self._cameras.items()
            }
        return [{view: images[frame] for view, images in found.items()} for frame in range(count)]


def _follow(entity: Any, index: int) -> None:
    """Have all that is drawn of an entity, and the cameras on it, take their pose from a row of the buffer."""
    import sapien

    for component in entity.components:
        if isinstance(component, sapien.render.RenderBodyComponent):
            for shape in component.render_shapes:
                shape.set_gpu_pose_batch_index(index)
        elif isinstance(component, sapien.render.RenderCameraComponent):
            component.set_gpu_pose_batch_index(index)


class BatchedPictures:
    """A film whose pictures are rendered a batch at a time, each beside the physics of the batch that follows it.

    `entities` are those of the scene that runs, in the order of the copies'.
    """

    one_by_one = ""

    def __init__(self, batch: Any, entities: Sequence[Any], sink: FrameSink) -> None:
        self._batch, self._entities, self._sink = batch, entities, sink
        self._frames: list[list[Any]] = []
        # Frames that the renderer is at.
        self._begun = 0

    def take(self) -> None:
        """Note where everything stands; begin to render when there is a batch of such notes."""
        self._frames.append([entity.pose for entity in self._entities])
        if len(self._frames) == self._batch.size:
            self._render()

    def finish(self) -> None:
        """Hand out all that was taken."""
        self._render()
        self._hand_out()

    def _render(self) -> None:
        self._hand_out()
        if self._frames:
            self._batch.begin(self._frames)
            self._begun, self._frames = len(self._frames), []

    def _hand_out(self) -> None:
        if self._begun:
            for pictures in self._batch.pictures(self._begun):
                self._sink(pictures)
            self._begun = 0
