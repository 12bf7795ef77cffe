"""`--render-detail fast`: the same physics, pictures that are alike, and less of the robot to draw."""

import numpy as np
import pytest
from conftest import DEMOS
from support.proofs import some
from support.records import read_record

from mstool.maniskill2lerobot.pictures.video import psnr_db
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator

VIEWS = ("base", "wrist")


def episode(env_id: str, detail: str, every: int = 20):
    """Joint positions of every step, and the pictures of some."""
    demo = DemoFile(DEMOS / env_id).read(0)
    simulator = ManiSkillSimulator(SimulatorSpec(env_id, "pd_joint_pos", views=VIEWS, render_detail=detail))
    simulator.reset(demo.seed, demo.reset_options, demo.first_state)
    qpos, images = [], []
    for k, action in enumerate(demo.actions):
        if k % every == 0:
            images.append(simulator.images())
        qpos.append(simulator.reading().qpos)
        simulator.step(action)
    count = triangles(simulator)
    simulator.close()
    return np.stack(qpos), images, count


def triangles(simulator: ManiSkillSimulator) -> int:
    from sapien.render import RenderBodyComponent

    bodies = [e.find_component_by_type(RenderBodyComponent) for e in simulator._env.scene.sub_scenes[0].entities]
    return sum(len(part.triangles) for body in bodies if body for shape in body.render_shapes for part in shape.parts)


# StackCube's robot carries a camera of 425,000 triangles.
@pytest.mark.parametrize("env_id", some(["PickCube-v1", "StackCube-v1"], "PickCube-v1".__eq__))
def test_fast_pictures_are_34_db_alike(env_id):
    full_qpos, full, full_count = episode(env_id, "full")
    fast_qpos, fast, fast_count = episode(env_id, "fast")
    np.testing.assert_array_equal(fast_qpos, full_qpos)
    assert fast_count < 0.3 * full_count
    for view in VIEWS:
        values = [psnr_db(a[view], b[view]) for a, b in zip(full, fast, strict=True)]
        assert min(values) >= 34, (view, values)
    assert any((a["base"] != b["base"]).any() for a, b in zip(full, fast, strict=True))


def test_the_dataset_says_it(mstool, tmp_path):
    root = tmp_path / "fast"
    words = ("--env", "PickCube-v1", "--demos", DEMOS / "PickCube-v1", "-n", 1, "--image-size", 96, "--workers", 1)
    assert mstool("convert", *words, "--render-detail", "fast", "--output", root) == 0
    assert read_record(root)["render_detail"] == "fast"


def test_wrong_words(mstool, tmp_path, capsys):
    words = ("convert", "--env", "PickCube-v1", "--output", tmp_path / "no")
    assert mstool(*words, "--render-detail", "fine") == 2
    assert mstool(*words, "--render-detail", "fast", "--observations", "recorded") == 2
    assert "--render-detail" in capsys.readouterr().err
