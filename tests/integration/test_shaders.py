"""The shaders that make no table for a light that is not there."""

from pathlib import Path

import numpy as np
import pytest
from support.proofs import some

from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill import cameras, shaders
from mstool.simulators.maniskill.environment import ManiSkillSimulator


@pytest.fixture(autouse=True)
def _forget():
    yield
    shaders.without_table.cache_clear()


def pictures(env_id):
    simulator = ManiSkillSimulator(SimulatorSpec(env_id, "pd_joint_pos", views=("base", "wrist"), image_size=(64, 64)))
    simulator.reset(3)
    taken = simulator.images()
    simulator.close()
    return taken


@pytest.mark.sim
@pytest.mark.parametrize("env_id", some(["PickCube-v1", "PegInsertionSide-v1"], "PickCube-v1".__eq__))
def test_every_pixel_is_as_with_maniskills_own(monkeypatch, env_id):
    ours = pictures(env_id)
    monkeypatch.setattr(cameras, "without_table", lambda: shaders.PACK)
    theirs = pictures(env_id)
    for view, picture in ours.items():
        np.testing.assert_array_equal(picture, theirs[view])
        assert picture.std() > 10


def test_the_folder_is_made_once_and_put_right(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shaders.without_table.cache_clear()
    folder = Path(shaders.without_table())
    assert folder.is_relative_to(tmp_path)
    whole = {path: path.read_text() for path in folder.parent.rglob("*.*") if path.is_file()}
    assert not any("BRDFLUT" in text for text in whole.values())
    assert any("samplerEnvironment" in text for text in whole.values())
    (folder / "gbuffer.frag").write_text("damaged")
    (folder / "composite.vert").unlink()
    shaders.without_table.cache_clear()
    assert shaders.without_table() == str(folder)
    assert {path: path.read_text() for path in folder.parent.rglob("*.*") if path.is_file()} == whole


def test_where_no_folder_can_be_written_sapiens_own_are_used(monkeypatch, tmp_path):
    (tmp_path / "mstool").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shaders.without_table.cache_clear()
    assert shaders.without_table() == "minimal"


def test_shaders_with_other_words_are_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shaders, "_LOOKED_UP", shaders.re.compile("no such words"))
    shaders.without_table.cache_clear()
    assert shaders.without_table() == "minimal"
    assert not list(tmp_path.iterdir())
