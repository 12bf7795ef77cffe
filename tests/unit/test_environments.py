"""`mstool envs`: what is known of every environment without building one."""

import json

import pytest

from mstool.errors import UsageError
from mstool.layouts import LAYOUTS, get_layout
from mstool.maniskill2lerobot.options import make_recipe
from mstool.simulators.benchmarks import known_environments
from mstool.simulators.maniskill import environments
from mstool.simulators.maniskill.demos.hub import OFFICIAL
from mstool.simulators.maniskill.solve import solvable_envs


def test_every_environment_says_what_becomes_of_it():
    every = known_environments()
    names = [facts.env_id for facts in every]
    assert len(set(names)) == len(names)
    of_maniskill = [name for name in names if not name.startswith("libero")]
    assert of_maniskill == sorted(of_maniskill)
    assert len(every) > 60
    for facts in every:
        if facts.builds and facts.robot:
            assert facts.control_modes
            assert "native" in facts.layouts
            assert "base" in facts.views
            assert set(facts.layouts) <= set(LAYOUTS)
    named = {facts.env_id: facts for facts in every}
    assert set(OFFICIAL) | set(solvable_envs()) <= set(named)
    assert named["PickCube-v1"].layouts == tuple(LAYOUTS)
    assert named["PickCube-v1"].planner
    assert not named["RollBall-v1"].planner
    assert named["MS-CartpoleBalance-v1"].success is False


def test_an_environment_whose_files_are_here_now_builds(monkeypatch, tmp_path):
    monkeypatch.setenv("MS_ASSET_DIR", str(tmp_path))
    (facts,) = known_environments(["AnymalC-Reach-v1"])
    assert not facts.builds
    assert facts.fix == ("python -m mani_skill.utils.download_asset anymal_c",)
    (tmp_path / "data/robots/anymal_c").mkdir(parents=True)
    (facts,) = known_environments(["AnymalC-Reach-v1"])
    assert facts.builds
    assert facts.fix == ()


def test_the_table_is_of_the_installed_maniskill(monkeypatch):
    assert environments.outdated() == ""
    monkeypatch.setattr(environments, "version", lambda _: "9.9")
    assert "here it is 9.9" in environments.outdated()


def test_the_command(mstool, capsys):
    assert mstool("envs", "--json") == 0
    every = json.loads(capsys.readouterr().out)
    assert len(every) == len(known_environments())
    assert mstool("envs", "TwoRobotPickCube-v1", "DrawSVG-v1") == 0
    text = capsys.readouterr().out
    assert "official demos  rl" in text
    assert "to build it     pip install svgpathtools" in text
    assert mstool("envs") == 0
    assert capsys.readouterr().out.count("\n") == len(every) + 2
    assert mstool("envs", "PickCubes-v1") == 2
    assert "Did you mean PickCube-v1?" in capsys.readouterr().err


def test_native_takes_any_view_and_the_others_name_theirs():
    native, libero = get_layout("native"), get_layout("libero")
    assert native.camera("base") == libero.camera("base")
    assert native.camera("fetch_head").lerobot == "observation.images.fetch_head"
    assert native.camera("fetch_head").openpi == "fetch_head_image"
    assert native.camera("../up") is None
    views = "render_camera,wrist,base,render_camera"
    assert make_recipe("PickCube-v1", layout="native", cameras=views).views == ("base", "wrist", "render_camera")
    with pytest.raises(UsageError, match="no view render_camera") as error:
        make_recipe("PickCube-v1", cameras="base,render_camera")
    assert "--layout native" in error.value.fix
