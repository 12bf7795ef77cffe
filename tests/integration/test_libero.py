"""LIBERO itself: its conventions against LeRobot's environment, and a generated demo on its whole way."""

import json

import h5py
import numpy as np
import pytest
from support import light_libero  # noqa: F401
from support.libero import ENV, needs_libero

from mstool.contract import RobotTrack
from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.record import Record
from mstool.dataset.vectors import actions_of
from mstool.dataset.view import DatasetView
from mstool.evaluation.replay_dataset import replay_dataset
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.maniskill2lerobot.episode.shard import as_lists
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.demos import Attempt, Rollout
from mstool.simulators.libero.demos import LiberoDemos
from mstool.simulators.libero.environment import CONTROL_MODE, LiberoSimulator
from mstool.simulators.libero.expert import LiberoExpert
from mstool.simulators.libero.tasks import find_task

pytestmark = [needs_libero, pytest.mark.filterwarnings("ignore")]
SEED, SIZE = 0, 64
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (2, 7)).astype(np.float32)


@pytest.fixture(scope="module")
def simulator():
    """One without a camera: to build it takes as long as a hundred of its steps."""
    built = LiberoSimulator(SimulatorSpec(ENV, CONTROL_MODE))
    yield built
    built.close()


def ours():
    """Return states (3, 8) and pictures of a reset and two steps."""
    spec = SimulatorSpec(ENV, CONTROL_MODE, views=("base", "wrist"), image_size=(SIZE, SIZE))
    simulator = LiberoSimulator(spec)
    simulator.reset(SEED)
    seen = [(simulator.reading(), simulator.images())]
    for action in ACTIONS:
        simulator.step(action)
        seen.append((simulator.reading(), simulator.images()))
    simulator.close()
    readings = [reading for reading, _ in seen]
    track = RobotTrack(np.stack([r.qpos for r in readings]), np.stack([r.tcp_pose for r in readings]))
    return get_layout("libero").encode_state(track), [images for _, images in seen]


def theirs():
    """Return the same of LeRobot's environment, through its own processors."""
    from lerobot.envs.libero import LiberoEnv, _get_suite
    from lerobot.envs.utils import preprocess_observation
    from lerobot.processor.env_processor import LiberoProcessorStep

    env = LiberoEnv(
        _get_suite("libero_spatial"),
        0,
        "libero_spatial",
        obs_type="pixels_agent_pos",
        observation_width=SIZE,
        observation_height=SIZE,
        episode_index=SEED,
    )

    def batched(value):
        return {name: batched(each) for name, each in value.items()} if isinstance(value, dict) else value[None]

    def processed(observation):
        return LiberoProcessorStep().observation(preprocess_observation(batched(observation)))

    seen = [processed(env.reset(seed=7)[0]), *(processed(env.step(action)[0]) for action in ACTIONS)]
    env.close()
    names = {"base": "observation.images.image", "wrist": "observation.images.image2"}
    pictures = [
        {
            view: np.round(each[name][0].numpy() * 255).astype(np.uint8).transpose(1, 2, 0)
            for view, name in names.items()
        }
        for each in seen
    ]
    return np.stack([each["observation.state"][0].numpy() for each in seen]), pictures


def test_it_sees_and_feels_what_lerobots_environment_does():
    (state, pictures), (their_state, their_pictures) = ours(), theirs()
    np.testing.assert_array_equal(state[:, [0, 1, 2, 6, 7]], their_state[:, [0, 1, 2, 6, 7]])
    # LeRobot takes the arc cosine of a float32, four roundings of which are this.
    np.testing.assert_allclose(state[:, 3:6], their_state[:, 3:6], rtol=0, atol=1e-6)
    for mine, other in zip(pictures, their_pictures, strict=True):
        for view in ("base", "wrist"):
            np.testing.assert_array_equal(mine[view], other[view])
            assert mine[view].std() > 10


def test_a_step_that_is_computed_once_is_robosuites_to_the_bit(simulator):
    states = []
    for step in (simulator.step, lambda action: simulator.env.step(action.astype(np.float64))):
        simulator.reset(SEED)
        for action in np.concatenate([ACTIONS, ACTIONS]):
            step(action)
        data = simulator.env.sim.data
        states.append([simulator.state()["mujoco"]["state"], *map(np.copy, (data.qacc, data.xpos, data.contact.dist))])
    for mine, other in zip(*states, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_an_episode_begins_where_it_does_in_openpis_run_whichever_were_played_before():
    """openpi seeds numpy once for a task: what no initial state holds depends on how often it was reset since."""
    spec = SimulatorSpec("libero_spatial/4", CONTROL_MODE)
    one, another = LiberoSimulator(spec), LiberoSimulator(spec)
    another.env.seed(7)
    for initial in one.task.initial_states()[:2]:
        another.env.reset()
        another.env.set_init_state(initial)
        for _ in range(10):
            another.env.step(np.array([0, 0, 0, 0, 0, 0, -1.0]))
    one.reset(1)
    mine, theirs = one.state(), another.state()
    assert len(mine["fixtures"]) == 2
    for name, pose in mine["fixtures"].items():
        np.testing.assert_array_equal(pose, theirs["fixtures"][name])
    # The first number is the time, of which none is taken off for the steps that openpi's run had before.
    np.testing.assert_array_equal(mine["mujoco"]["state"][1:], theirs["mujoco"]["state"][1:])
    # LIBERO's own samplers draw more from reset to reset: ours do not.
    placed = []
    for seed in (1000, 0, 1000):
        one.reset(seed)
        placed.append(one.state()["mujoco"]["state"])
    np.testing.assert_array_equal(placed[0], placed[2])
    assert not np.array_equal(placed[0], placed[1])
    one.close()
    another.close()


def test_a_generated_demo_becomes_a_dataset_whose_actions_solve_the_task_again(libero_demos, libero_dataset, tmp_path):
    made = LiberoDemos(libero_demos).read(0)
    assert made.seed == 1000
    rollout = Rollout(Attempt(1000, success=True, steps=len(made.actions)), made.actions)
    spec = SimulatorSpec(ENV, CONTROL_MODE)
    again = benchmark_of(ENV).record(
        spec, iter([rollout]), source="p", episodes=1, seed=1000, out_dir=tmp_path / "policy"
    )
    both = (LiberoDemos(path).recorded_states(0).states for path in (libero_demos, again.h5))
    np.testing.assert_array_equal(*([state["mujoco"]["state"] for state in each] for each in both))
    conventions, data = load_conventions(libero_dataset), DatasetView(libero_dataset)
    assert conventions.record.controller["rotation_rad"] == 0.5
    assert "images" in conventions.record.benchmarks["LIBERO"]
    assert not conventions.record.maniskill
    actions = [actions_of(data, rows) for rows in data.rows()]
    assert replay_dataset(conventions.record, conventions.episodes, actions) == {0: True}


def collected(folder):
    """Have robosuite's wrapper record an episode, and keep of it what LIBERO's files of demos do."""
    from robosuite.wrappers import DataCollectionWrapper

    expert = LiberoExpert(ENV)
    wrapper = DataCollectionWrapper(expert.simulator.env.env, str(folder / "raw"))
    expert.simulator.env.env = wrapper
    assert expert.solve(1001).success
    wrapper.close()
    (episode,) = (folder / "raw").iterdir()
    parts = [np.load(part, allow_pickle=True) for part in sorted(episode.glob("state_*.npz"))]
    states = np.concatenate([part["states"] for part in parts])
    actions = np.stack([info["actions"] for part in parts for info in part["action_infos"]])
    assert len(states) == len(actions) + 1
    path = folder / "libero_spatial" / f"{find_task(ENV).name}_demo.hdf5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        demo = file.create_group("data/demo_0")
        # LIBERO leaves the first five steps out.
        demo["actions"], demo["states"] = actions[5:], states[5:-1]
        demo.attrs["model_file"] = (episode / "model.xml").read_text()
    return path


def test_a_demo_that_robosuite_recorded_is_solved_again_from_where_the_log_says_it_began(simulator, tmp_path):
    demo = LiberoDemos(collected(tmp_path)).read(0).without_idle()
    # Steps in which the objects came to rest.
    assert demo.left_out >= 5
    played = replay(simulator, demo, get_layout("libero"), horizon=220)
    assert not played.dropped
    line = {"env_id": ENV, "seed": demo.seed, "first_state": as_lists(demo.first_state)}
    conventions = Conventions("d", 20, {}, Record.from_json({}), [json.loads(json.dumps(line))])
    simulator.reset(demo.seed, state=conventions.first_state(ENV, demo.seed))
    assert [simulator.step(action) for action in played.actions][-1]
