"""`--observations recorded`: pictures that ManiSkill itself recorded, converted without a simulator."""

import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import DEMOS
from support import forked
from support.records import read_record

from mstool.contract import ControllerFacts
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.robots import PANDA
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.demos.recording import as_rgb
from mstool.simulators.maniskill.environment import ManiSkillSimulator
from mstool.validators import validate

SIZE = 32


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """One PickCube demo in pd_ee_delta_pose with rgb observations, written by ManiSkill's `RecordEpisode`."""
    import gymnasium
    import mani_skill.envs  # noqa: F401
    from mani_skill.utils.wrappers import RecordEpisode

    demo = DemoFile(DEMOS / "PickCube-v1").read(2)
    simulator = ManiSkillSimulator(SimulatorSpec("PickCube-v1", "pd_ee_delta_pose"))
    actions = replay(simulator, demo, get_layout("joint"), horizon=200).actions
    simulator.close()
    folder = tmp_path_factory.mktemp("recorded")
    env = gymnasium.make(
        "PickCube-v1",
        obs_mode="rgb",
        control_mode="pd_ee_delta_pose",
        robot_uids="panda_wristcam",
        sim_backend="physx_cpu",
        render_backend="cpu",
        sensor_configs={"width": SIZE, "height": SIZE},
        max_episode_steps=1000,
    )
    env = RecordEpisode(env, str(folder), trajectory_name="trajectory", save_video=False, record_reward=False)
    env.reset(seed=demo.seed)
    for action in actions:
        env.step(action)
    env.close()
    return folder


@pytest.fixture
def copy(recorded, tmp_path):
    return shutil.copytree(recorded, tmp_path / "demos")


def convert(mstool, demos, root, *more):
    words = ("--env", "PickCube-v1", "--demos", demos, "--output", root, "--observations", "recorded", "--workers", 1)
    return mstool("convert", *words, *more)


def info(root):
    return json.loads((root / "meta/info.json").read_text())


def rows(root):
    return pd.concat(pd.read_parquet(path) for path in sorted((root / "data").rglob("*.parquet")))


def test_readings_and_pictures_are_the_files_own(recorded, tmp_path, mstool, capsys):
    assert convert(mstool, recorded, tmp_path / "out", "--storage", "image") == 0
    shown = capsys.readouterr().out
    table, ours = rows(tmp_path / "out"), read_record(tmp_path / "out")
    with h5py.File(recorded / "trajectory.h5") as file:
        observations = file["traj_0/obs"]
        steps = len(file["traj_0/actions"])
        tcp = observations["extra/tcp_pose"][:steps]
        pictures = {name: observations[f"sensor_data/{name}/rgb"][:steps] for name in ("base_camera", "hand_camera")}
    assert len(table) == steps  # the last observation has no action
    np.testing.assert_allclose(np.stack(table["observation.state"])[:, :3], tcp[:, :3], atol=1e-6)
    import cv2

    for column, camera in {
        "observation.images.image": "base_camera",
        "observation.images.image2": "hand_camera",
    }.items():
        for cell, expected in zip(table[column], pictures[camera], strict=True):
            picture = cv2.imdecode(np.frombuffer(cell["bytes"], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
            np.testing.assert_array_equal(picture, expected)
    assert (ours["observations"], ours["goal"], ours["image_size"]) == ("recorded", "hidden", [SIZE, SIZE])
    for word in ("known Panda values", "control frequency", "hides goal_site", "never resized"):
        assert any(word in warning for warning in ours["warnings"]), word
        assert word in shown
    assert not any("black" in warning or "tcp" in warning for warning in ours["warnings"])
    # And the rows are executable: the same actions that a simulator decodes.
    stored = np.stack(table["action"])
    assert stored[0, 6] == -1
    assert np.abs(stored[:, :3]).max() <= 2


def test_known_controller_values_are_the_simulators():
    for mode, known in PANDA.controllers.items():
        simulator = ManiSkillSimulator(SimulatorSpec("PickCube-v1", mode))
        assert simulator.controller_facts().as_dict() == pytest.approx(ControllerFacts(fps=20, **known).as_dict())
        simulator.close()


def test_float_color_other_names_and_a_black_wrist(copy, tmp_path, mstool):
    with h5py.File(copy / "trajectory.h5", "r+") as file:
        group = file["traj_0/obs/sensor_data"]
        rgb = group["base_camera/rgb"][:]
        del group["base_camera"], group["hand_camera/rgb"]
        # The older shape: float RGBA in [0, 1].
        colour = np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], axis=-1).astype(np.float32) / 255
        group["left_view/Color"] = colour
        group["hand_camera/rgb"] = np.zeros_like(rgb)
    assert convert(mstool, copy, tmp_path / "out") == 0
    assert "the wrist images are black (1 of 1 episodes)" in read_record(tmp_path / "out")["warnings"]
    np.testing.assert_array_equal(as_rgb(colour[0]), rgb[0])


def test_what_the_file_cannot_give_is_refused(copy, tmp_path, mstool, capsys):
    out = tmp_path / "out"
    assert convert(mstool, DEMOS / "PickCube-v1", out, "--layout", "joint") == 1
    assert "holds no RGB images" in capsys.readouterr().err
    assert convert(mstool, copy, out, "--image-size", "64") == 2
    assert "never resized" in capsys.readouterr().err
    assert convert(mstool, copy, out, "--layout", "droid") == 2
    err = capsys.readouterr().err
    assert "in which layout 'droid' has no meaning" in err
    assert "leave out --observations recorded" in err
    assert convert(mstool, copy, out, "--control-mode", "pd_joint_pos", "--layout", "joint") == 2
    with h5py.File(copy / "trajectory.h5", "r+") as file:
        del file["traj_0/obs/sensor_data/hand_camera"]
    assert convert(mstool, copy, out) == 2
    assert "fix: add --cameras base" in capsys.readouterr().err
    with h5py.File(copy / "trajectory.h5", "r+") as file:
        del file["traj_0/obs/extra/tcp_pose"]
    assert convert(mstool, copy, out, "--cameras", "base") == 2
    assert "choose --layout joint" in capsys.readouterr().err
    assert not out.exists()


def test_missing_tcp_pose_and_outcome_are_warnings_where_the_layout_needs_neither(copy, tmp_path, mstool):
    with h5py.File(copy / "trajectory.h5", "r+") as file:
        del file["traj_0/obs/extra/tcp_pose"], file["traj_0/success"]
    assert convert(mstool, copy, tmp_path / "out", "--layout", "joint", "--cameras", "base") == 0
    warnings = " ".join(read_record(tmp_path / "out")["warnings"])
    assert "no tcp pose was recorded" in warnings
    assert "whether the task was solved" in warnings


def test_a_recorded_failure_is_dropped(copy, tmp_path, mstool, capsys):
    with h5py.File(copy / "trajectory.h5", "r+") as file:
        file["traj_0/success"][-1] = False
    assert convert(mstool, copy, tmp_path / "out") == 1
    assert "1 x not successful" in capsys.readouterr().err


def test_goal_position_is_taken_from_the_file(copy, tmp_path, mstool):
    assert convert(mstool, copy, tmp_path / "out", "--goal", "state", "--cameras", "base") == 0
    with h5py.File(copy / "trajectory.h5") as file:
        goal = file["traj_0/obs/extra/goal_pos"][0]
    np.testing.assert_array_equal(np.stack(rows(tmp_path / "out")["observation.environment_state"])[5], goal)


def test_what_maniskills_own_converter_makes_of_the_file_is_told(recorded, tmp_path):
    """It blows images up to 640x480, says 30 fps, and a file size that LeRobot refuses: mani_skill 3.0.1."""
    line = [sys.executable, "-m", "mani_skill.trajectory.convert_to_lerobot"]
    line += ["--traj-path", str(next(recorded.glob("*.h5"))), "--output-dir", str(tmp_path / "theirs")]
    forked.run(line, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    report = validate(tmp_path / "theirs", "lerobot_pi05")
    assert not report.codes("error")
    assert report.codes("failed") == {"MS103", "MS202", "MS704", "MS705"}
    assert "MS309" in report.codes("warned")
