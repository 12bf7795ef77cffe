"""A guess is right or silent."""

import pytest

from mstool.layouts import LAYOUTS
from mstool.manifest import load_manifest
from mstool.nearest import folder_beside, folders_beside, nearest, unknown
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
    assert "fix: mstool demos list" in err


def test_an_unknown_name_is_told_with_the_nearest_and_those_there_are():
    error = unknown("network", "smal", ("base", "small"), "--network")
    assert error.message == "unknown network 'smal' (did you mean 'small'?); there are: base, small"
    assert (error.fix, error.given, error.instead) == ("--network small", "smal", "small")
    error = unknown("network", "x", ("base", "small"), "--network")
    assert error.message == "unknown network 'x'; there are: base, small"
    assert error.fix == "choose one of these with --network"


@pytest.mark.parametrize(
    ("words", "said", "fix"),
    [
        ("finetune d --network smal --json", "unknown network 'smal'", "mstool finetune d --json --network small"),
        ("layouts lbero", "did you mean 'libero'?", "mstool layouts libero"),
        ("envs PickCub-v1", "Did you mean PickCube-v1?", "mstool envs PickCube-v1"),
        ("eval --policy random --env=PickCub-v1", "Did you mean", "mstool eval --policy random --env=PickCube-v1"),
        ("convert -n 3", "which environment?", "mstool convert -n 3 --env PickCube-v1"),
        ("convert -e PickCube-v1 --image-size 65", "even", "mstool convert -e PickCube-v1 --image-size 256"),
        ("finetune d --network x", "unknown network 'x'; there are: base, small", "mstool finetune d"),
        ("finetune d --compile=of --lr 0", "unknown compile 'of'", "mstool finetune d --compile off"),
        ("convert -e PickCube-v1 --goal hiden", "unknown goal 'hiden'", "mstool convert -e PickCube-v1 --goal hidden"),
    ],
)
def test_what_is_pasted_has_the_name_that_was_meant(mstool, capsys, words, said, fix):
    assert mstool(*words.split()) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.endswith(f"fix: {fix}\n")


def test_a_folder_that_may_not_be_looked_into_is_none_of_those_beside(tmp_path):
    for name in ("stack", "stacks", "others"):
        (tmp_path / name).mkdir()

    def wanted(folder):
        if folder.name == "others":
            raise PermissionError(folder)
        return True

    asked = tmp_path / "stack"
    assert [folder.name for folder in folders_beside(asked, wanted)] == ["stacks"]
    assert folder_beside(asked, wanted) == tmp_path / "stacks"
    assert folders_beside(tmp_path / "nowhere" / "x", wanted) == []
    assert folder_beside(tmp_path / "nowhere" / "x", wanted) is None
