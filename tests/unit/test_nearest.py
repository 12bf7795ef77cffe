"""A guess is right or silent."""

import pytest

from mstool.layouts import LAYOUTS
from mstool.manifest import load_manifest
from mstool.nearest import nearest
from mstool.norm_stats.configs import CONFIGS
from mstool.training.presets import PRESETS
from mstool.validators.targets import TARGETS


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("PickCub-v1", "PickCube-v1"),
        ("pick_cube", "PickCube-v1"),
        ("PickCube-v0", "PickCube-v1"),
        ("StackCube", "StackCube-v1"),
        ("PegInsertion-v1", "PegInsertionSide-v1"),
    ],
)
def test_what_was_meant(typed, meant):
    assert nearest(typed, load_manifest()) == meant


@pytest.mark.parametrize("known", [load_manifest(), PRESETS, LAYOUTS, CONFIGS, TARGETS])
@pytest.mark.parametrize("typed", ["Foo-v1", "foo", "nosuch", "x", "", "-v1"])
def test_nothing_was_meant(typed, known):
    assert nearest(typed, known) is None


def test_an_environment_that_is_none(mstool, capsys, tmp_path):
    assert mstool("demos", "generate", "--env", "Foo-v1", "--output", tmp_path / "demos") == 2
    err = capsys.readouterr().err
    assert "there is no ManiSkill environment 'Foo-v1'. Demos can be generated of: DrawTriangle-v1, " in err
    assert "mean" not in err
    assert "fix: choose one of these with --env" in err
