"""Many frames rendered at a time, with a group that renders on the CPU in the place of SAPIEN's, which needs CUDA."""

from contextlib import nullcontext
from typing import ClassVar

import numpy as np
import pytest

from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill import filming, picture_batch
from mstool.simulators.maniskill.environment import ManiSkillSimulator

COPIES = 3
SIZE = (64, 64)


class Group:
    """`RenderSystemGroup` as its documentation has it: everything takes its pose from the row that it follows."""

    follows: ClassVar = {}

    def __init__(self, systems):
        self.systems = systems

    def set_cuda_poses(self, poses):
        self.poses = poses

    def update_render(self):
        import sapien

        for entity, index in Group.follows.items():
            row = self.poses[index].numpy()
            entity.pose = sapien.Pose(row[:3], row[3:7])
        for system in self.systems:
            system.step()

    def create_camera_group(self, cameras, names):
        assert names == ["Color"]
        return CameraGroup(cameras)


class CameraGroup:
    def __init__(self, cameras):
        self.cameras = cameras

    def take_picture(self):
        for camera in self.cameras:
            camera.take_picture()

    def get_picture_cuda(self, name):
        self.pictures = np.stack([camera.get_picture(name) for camera in self.cameras])
        return self

    def torch(self):
        import torch

        return torch.from_numpy(self.pictures)


@pytest.fixture
def group_on_the_cpu(monkeypatch):
    import sapien
    import torch

    Group.follows = {}
    monkeypatch.setattr(sapien.render, "RenderSystemGroup", Group)
    monkeypatch.setattr(sapien, "CudaArray", lambda tensor: tensor)
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(picture_batch, "_follow", Group.follows.__setitem__)
    monkeypatch.setattr(filming, "render_backend", lambda: "gpu")
    monkeypatch.setenv(filming.COPIES_VARIABLE, str(COPIES))


@pytest.mark.parametrize(
    ("env_id", "goal_visible"), [("PickCube-v1", True), ("PickCube-v1", False), ("PegInsertionSide-v1", True)]
)
def test_equal_to_single_pictures(group_on_the_cpu, env_id, goal_visible):
    """Whichever seed comes next, and when the last batch is a part of one."""
    spec = SimulatorSpec(
        env_id, "pd_joint_delta_pos", views=("base", "wrist"), image_size=SIZE, goal_visible=goal_visible
    )
    simulator = ManiSkillSimulator(spec)
    rng = np.random.default_rng(0)
    for seed in (0, 1, 1):
        simulator.reset(seed)
        several, single = [], []
        film = simulator.film(several.append)
        assert not film.one_by_one
        for _ in range(COPIES + 1):
            film.take()
            single.append(simulator.images())
            simulator.step(rng.uniform(-1, 1, simulator.action_size).astype(np.float32))
        film.finish()
        assert len(several) == len(single)
        for one, other in zip(several, single, strict=True):
            assert list(one) == list(other)
            for view in one:
                np.testing.assert_array_equal(one[view], other[view])
    simulator.close()
