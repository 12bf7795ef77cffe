"""Bad input: a clear message, the command that mends it, the right exit code, and nothing left behind."""

import os

import h5py
import numpy as np
import pytest
from support.demos import edit_json

from mstool.errors import SetupError


def contents(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def convert(mstool, tmp_path, demos, *more, env="PickCube-v1"):
    return mstool("convert", "--env", env, "--demos", demos, "--output", tmp_path / "out" / "data", *more)


def test_unknown_environment_suggests_the_nearest(mstool, tmp_path, demo_copy, capsys):
    assert convert(mstool, tmp_path, demo_copy, env="PickCub-v1") == 2
    err = capsys.readouterr().err
    assert "there is no ManiSkill environment 'PickCub-v1'. Did you mean PickCube-v1?" in err
    assert "fix: mstool convert --env PickCube-v1 " in err
    assert not (tmp_path / "out").exists()


def test_environment_without_a_sentence(mstool, tmp_path, demo_copy, capsys):
    assert convert(mstool, tmp_path, demo_copy, env="FMBAssembly1Easy-v1") == 2
    assert capsys.readouterr().err.endswith(" --instruction SENTENCE\n")


def test_no_solution_lists_those_that_have_one(mstool, tmp_path, capsys):
    words = ("--instruction", "roll the ball", "--control-mode", "pd_joint_delta_pos", "--layout", "joint")
    assert convert(mstool, tmp_path, "generate", *words, env="RollBall-v1") == 2
    err = capsys.readouterr().err
    assert "PickCube-v1" in err
    assert "StackPyramid-v1" in err


def test_demos_of_another_environment(mstool, tmp_path, demo_copy, capsys):
    assert convert(mstool, tmp_path, demo_copy, env="StackCube-v1") == 1
    assert "holds demos of PickCube-v1, not of StackCube-v1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layout", "libro"], "did you mean 'libero'"),
        (["--control-mode", "pd_joint_pos"], "--control-mode pd_ee_delta_pose"),
        (["--image-size", "big"], "is not a size"),
        (["--image-size", "255"], "must be even"),
        (["--cameras", "base,rear"], "has no view rear"),
        (["--goal", "maybe"], "unknown goal 'maybe'; there are: visible, hidden, state"),
        (["--format", "v1"], "unknown format 'v1'; there are: v3.0, v2.1, both"),
        (["--storage", "gif"], "unknown storage 'gif'; there are: video, image"),
        (["--episodes", "0"], "--episodes"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_usage_errors(mstool, tmp_path, demo_copy, capsys, words, message):
    assert convert(mstool, tmp_path, demo_copy, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_target_exists(mstool, tmp_path, demo_copy, capsys):
    target = tmp_path / "out" / "data"
    (target / "meta").mkdir(parents=True)
    (target / "meta" / "info.json").write_text("{}")
    before = contents(tmp_path)
    assert convert(mstool, tmp_path, demo_copy) == 2
    assert capsys.readouterr().err.endswith(" --overwrite\n")
    assert contents(tmp_path) == before


def test_overwrite_does_not_touch_what_is_no_dataset(mstool, tmp_path, demo_copy, capsys):
    target = tmp_path / "out" / "data"
    target.mkdir(parents=True)
    (target / "thesis.tex").write_text("years of work")
    assert convert(mstool, tmp_path, demo_copy, "--overwrite") == 2
    assert "is not a LeRobot dataset" in capsys.readouterr().err
    assert (target / "thesis.tex").read_text() == "years of work"


def test_target_not_writable(mstool, tmp_path, demo_copy, capsys, monkeypatch):
    # Root may write anywhere, so the answer of the operating system is what the test replaces.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert convert(mstool, tmp_path, demo_copy) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_target_below_a_file(mstool, tmp_path, demo_copy, capsys):
    (tmp_path / "out").write_text("a file")
    assert convert(mstool, tmp_path, demo_copy) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_damaged_demos_are_listed_before_any_work(mstool, tmp_path, demo_copy, capsys):
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        file["traj_0/actions"][3, 0] = np.inf
        del file["traj_2"]
        narrow = file["traj_3/actions"][:, :5]
        del file["traj_3/actions"]
        file["traj_3/actions"] = narrow
    assert convert(mstool, tmp_path, demo_copy) == 1
    err = capsys.readouterr().err
    assert "3 of 4 demos cannot be used" in err
    assert "first at step 3" in err
    assert "traj_2 is listed in trajectory.json but missing" in err
    assert "traj_3 has actions 5 wide, the other episodes 8" in err
    assert err.splitlines()[-1].startswith("fix: mstool convert ")
    assert err.endswith(" --skip-invalid\n")
    assert contents(tmp_path / "out") == []


def test_no_control_mode(mstool, tmp_path, demo_copy, capsys):
    edit_json(demo_copy, lambda d: d["env_info"]["env_kwargs"].pop("control_mode"))
    edit_json(demo_copy, lambda d: d["episodes"][2].pop("control_mode"))
    assert convert(mstool, tmp_path, demo_copy) == 1
    assert "episode 2 of trajectory.json has no control mode" in capsys.readouterr().err
    edit_json(demo_copy, lambda d: d["episodes"][0].pop("control_mode"))
    assert convert(mstool, tmp_path, demo_copy) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "trajectory.json names no control mode" in error
    assert f"fix: write the one they were recorded in into {demo_copy / 'trajectory.json'}" in error
    assert not (tmp_path / "out" / "data").exists()


def test_fewer_demos_than_asked_is_said(mstool, tmp_path, demo_copy, capsys, monkeypatch):
    from mstool.maniskill2lerobot import convert as module

    monkeypatch.setattr(module, "_run", lambda jobs, *_: (each for each in [(job, "lost") for job in jobs]))
    assert convert(mstool, tmp_path, demo_copy, "--episodes", "9") == 1
    assert "holds 4 episodes, fewer than the 9 asked for" in capsys.readouterr().err


def test_an_environment_that_cannot_be_built_is_said_before_demos_are_generated(mstool, tmp_path, monkeypatch, capsys):
    from mstool.maniskill2lerobot import plan
    from mstool.simulators.benchmarks import benchmark_of

    asked = []

    def refuse(env_ids):
        asked.extend(env_ids)
        raise SetupError("no device to render on", fix="mstool doctor")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "check_buildable", refuse)
    monkeypatch.setattr(type(benchmark_of("PickCube-v1")), "generate", lambda *_, **__: pytest.fail("it began"))
    words = ("--env", "PickCube-v1,PushCube-v1", "--demos", "generate", "--output", tmp_path / "out")
    assert mstool("convert", *words) == 1
    assert "error: no device to render on\nfix: mstool doctor\n" in capsys.readouterr().err
    assert asked == ["PickCube-v1", "PushCube-v1"]
