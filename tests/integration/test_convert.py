"""The main job on real demos: replay, render, write, and read back with LeRobot's own reader."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import DEMOS
from support.records import read_record

from mstool.contract import ControllerFacts
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.maniskill2lerobot.pictures.video import decode
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.controller import ManiSkillController
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator


def read_info(root):
    return json.loads((root / "meta" / "info.json").read_text())


def read_rows(root):
    return pd.concat([pd.read_parquet(path) for path in sorted((root / "data").rglob("*.parquet"))])


@pytest.fixture(scope="module")
def dataset(pickcube):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    window = {"action": [k / 20 for k in range(50)]}
    return LeRobotDataset("test/pickcube", root=pickcube / "v3.0", video_backend="pyav", delta_timestamps=window)


def test_lerobot_opens_it_and_every_frame_decodes(dataset):
    assert (dataset.num_episodes, dataset.num_frames, dataset.fps) == (2, 148, 20)
    for item in dataset:
        assert item["observation.images.image"].shape == (3, 128, 128)
        assert item["observation.state"].shape == (8,)
        assert item["action"].shape == (50, 7)
        assert item["task"] == "pick up the red cube and move it to the green sphere"
    # The chunk of the last frame is all padding but its first action.
    assert item["action_is_pad"].tolist() == [False] + [True] * 49


def test_lerobot_finds_exact_statistics(dataset, pickcube):
    rows = read_rows(pickcube / "v3.0")
    for column in ("observation.state", "action"):
        values = np.stack(rows[column]).astype(np.float64)
        stats = dataset.meta.stats[column]
        for name, q in {"q01": 0.01, "q50": 0.5, "q99": 0.99}.items():
            np.testing.assert_allclose(stats[name], np.quantile(values, q, axis=0), rtol=1e-6, atol=1e-9)
    assert dataset.meta.stats["observation.images.image"]["mean"].shape == (3, 1, 1)


def test_pictures_show_the_scene(pickcube):
    for key in ("image", "image2"):
        (video,) = (pickcube / "v3.0" / "videos" / f"observation.images.{key}").rglob("*.mp4")
        frames = np.stack(list(decode(video)))
        assert len(frames) == 148
        assert frames.mean() > 40  # a black wrist view is the commonest silent fault
        assert frames.std(axis=0).mean() > 3  # and it moves
        pixels = frames[0].astype(int)
        assert ((pixels[..., 0] - pixels[..., 1:].max(-1)) > 100).sum() > 5  # the red cube
    base = np.stack(list(decode(next((pickcube / "v3.0/videos/observation.images.image").rglob("*.mp4")))))[30]
    green = base[..., 1].astype(int) - base[..., [0, 2]].max(-1)
    assert (green > 80).sum() > 5  # the goal that ManiSkill hides


def test_the_views_are_maniskills_own_pixels():
    import gymnasium
    import mani_skill.envs  # noqa: F401

    theirs = gymnasium.make(
        "PickCube-v1",
        obs_mode="rgb",
        sim_backend="physx_cpu",
        render_backend="cpu",
        robot_uids="panda_wristcam",
        sensor_configs={"width": 96, "height": 96},
    )
    observation, _ = theirs.reset(seed=3, options={"reconfigure": True})
    expected = observation["sensor_data"]["base_camera"]["rgb"][0].numpy()
    robot = theirs.unwrapped.agent.robot
    hand, camera = robot.links_map["panda_hand"].pose.sp, robot.links_map["camera_link"].pose.sp
    theirs.close()

    spec = SimulatorSpec(
        "PickCube-v1",
        "pd_joint_pos",
        "panda_wristcam",
        views=("base", "wrist"),
        image_size=(96, 96),
        goal_visible=False,
    )
    ours = ManiSkillSimulator(spec)
    ours.reset(3)
    np.testing.assert_array_equal(ours.images()["base"], expected)
    # The wrist view stands where `panda_wristcam` carries its camera.
    from mstool.robots.panda import PANDA

    mounted = hand.inv() * camera
    np.testing.assert_allclose(mounted.p, PANDA.hand_camera.position, atol=1e-5)
    np.testing.assert_allclose(np.abs(mounted.q @ np.array(PANDA.hand_camera.quaternion)), 1, atol=1e-5)
    ours.close()


def test_pictures_show_the_moment_they_were_begun_at():
    simulator = ManiSkillSimulator(
        SimulatorSpec("PickCube-v1", "pd_joint_pos", views=("base", "wrist"), image_size=(96, 96))
    )
    demo = DemoFile(DEMOS / "PickCube-v1").read(0)
    simulator.reset(demo.seed)
    for action in demo.actions[:3]:
        expected = simulator.images()
        simulator.start_pictures()
        simulator.step(action)  # the arm moves while the renderer is at work
        for view, image in simulator.finish_pictures().items():
            np.testing.assert_array_equal(image, expected[view])
        assert any((image != expected[view]).any() for view, image in simulator.images().items())
    simulator.close()


def test_both_formats_hold_the_same(pickcube):
    new, old = read_rows(pickcube / "v3.0"), read_rows(pickcube / "v2.1")
    np.testing.assert_array_equal(np.stack(new["observation.state"]), np.stack(old["state"]))
    np.testing.assert_array_equal(np.stack(new["action"]), np.stack(old["actions"]))
    for column in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
        np.testing.assert_array_equal(new[column], old[column])
    tasks = [json.loads(line) for line in (pickcube / "v2.1/meta/tasks.jsonl").read_text().splitlines()]
    assert [task["task"] for task in tasks] == list(pd.read_parquet(pickcube / "v3.0/meta/tasks.parquet").index)


def test_info_says_every_convention(pickcube):
    info = read_info(pickcube / "v3.0")
    ours = read_record(pickcube / "v3.0")
    assert info["data_files_size_in_mb"] > 0
    assert ours["layout"] == "libero"
    assert ours["goal"] == "visible"
    assert ours["control_mode"] == "pd_ee_delta_pose"
    assert ours["controller"]["rotation_rad"] == pytest.approx(-0.1)
    assert ours["controller"]["fps"] == info["fps"] == 20
    assert ours["conventions"]["gripper_action"] == "-1 open, +1 close"
    assert ours["maniskill"]["gripper_action"].startswith("+1 open")
    assert len(ours["units"]["action"]) == 7
    # At 128 px a pixel is a grain of the table; at the default 256 px it is 38 dB and more (benchmarks/video.py).
    assert min(ours["psnr_db"].values()) > 34
    log = [json.loads(line) for line in (pickcube / "v3.0/meta/mstool/episodes.jsonl").read_text().splitlines()]
    assert [(line["seed"], line["frames"]) for line in log] == [(0, 74), (1, 74)]


def test_state_and_action_mean_what_they_say(pickcube):
    """Position moves along the commanded direction, fingers follow the gripper, and rows are before the action."""
    rows = read_rows(pickcube / "v3.0")
    rows = rows[rows["episode_index"] == 0]
    state, action = np.stack(rows["observation.state"]), np.stack(rows["action"])
    moved = np.diff(state[:, :3], axis=0)
    for axis in range(3):
        assert np.corrcoef(moved[:, axis], action[:-1, axis])[0, 1] > 0.9
    opening = state[:, 6]
    assert opening[0] == pytest.approx(0.04, abs=1e-3)
    assert action[0, 6] == -1  # open
    assert opening[-1] < 0.03  # around the cube
    assert action[-1, 6] == 1  # closed
    np.testing.assert_allclose(state[:, 7], -state[:, 6], atol=2e-3)


def test_stored_actions_solve_the_task_again(pickcube):
    ours = read_record(pickcube / "v3.0")
    controller = ManiSkillController(ControllerFacts(**ours["controller"]))
    rows = read_rows(pickcube / "v3.0")
    log = [json.loads(line) for line in (pickcube / "v3.0/meta/mstool/episodes.jsonl").read_text().splitlines()]
    simulator = ManiSkillSimulator(SimulatorSpec("PickCube-v1", ours["control_mode"], ours["robot"]))
    for episode in log:
        stored = np.stack(rows[rows["episode_index"] == episode["episode_index"]]["action"])
        simulator.reset(episode["seed"])
        for action in get_layout(ours["layout"]).decode_action(stored, controller, ours["control_mode"]):
            success = simulator.step(action)
        assert success
    simulator.close()


def test_conversion_is_maniskills_bit_for_bit():
    import gymnasium
    import mani_skill.envs  # noqa: F401
    from mani_skill.trajectory.utils.actions.conversion import from_pd_joint_pos

    class Recorder(gymnasium.Wrapper):
        def step(self, action):
            executed.append(np.asarray(action, np.float32).ravel().copy())
            return self.env.step(action)

    demo = DemoFile(DEMOS / "PlaceSphere-v1").read(3)  # the one with repeated target steps
    for mode in ("pd_ee_delta_pose", "pd_joint_delta_pos"):
        executed: list[np.ndarray] = []
        envs = [
            gymnasium.make(
                demo.env_id,
                obs_mode="none",
                control_mode=m,
                sim_backend="physx_cpu",
                render_backend="none",
                max_episode_steps=9999,
            )
            for m in (demo.control_mode, mode)
        ]
        for env in envs:
            env.reset(seed=demo.seed, options={"reconfigure": True})
        from_pd_joint_pos(mode, demo.actions, envs[0], Recorder(envs[1]))
        simulator = ManiSkillSimulator(SimulatorSpec(demo.env_id, mode))
        ours = replay(simulator, demo, get_layout("joint"), horizon=10_000)
        np.testing.assert_array_equal(ours.actions, np.stack(executed))
        assert len(ours.actions) > len(demo.actions)
        simulator.close()
        for env in envs:
            env.close()


def test_an_episode_depends_on_nothing_before_it():
    demos = DemoFile(DEMOS / "StackCube-v1")
    fresh = ManiSkillSimulator(SimulatorSpec("StackCube-v1", "pd_ee_delta_pose"))
    alone, _, again = (replay(fresh, demos.read(k), get_layout("libero"), horizon=200) for k in (1, 2, 1))
    np.testing.assert_array_equal(alone.track.qpos, again.track.qpos)
    np.testing.assert_array_equal(alone.actions, again.actions)
    fresh.close()


def test_parquet_has_one_row_group_per_episode(pickcube):
    (path,) = (pickcube / "v3.0/data").rglob("*.parquet")
    assert pq.ParquetFile(path).num_row_groups == 2
