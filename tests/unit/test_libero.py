"""LIBERO's names, actions and files of demos, without its simulator."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from support.conventions import conventions
from support.libero import needs_libero, write_demos

from mstool.contract import ControllerFacts
from mstool.dataset.conventions import Conventions, save_conventions
from mstool.dataset.record import Record
from mstool.errors import DataError, SetupError, UsageError
from mstool.evaluation.plan import choose_envs, choose_protocol, plan_tasks
from mstool.evaluation.scene import Scene, recorded
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.demos import open_demos
from mstool.maniskill2lerobot.episode.shard import as_lists
from mstool.maniskill2lerobot.options import make_recipe
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.libero import tasks
from mstool.simulators.libero.controller import LiberoController
from mstool.simulators.libero.demos import LiberoDemos, idle_steps

FACTS = ControllerFacts(20, position_m=0.05, rotation_rad=0.5, finger_open_m=0.04)
MODE = "pd_ee_delta_pose"


def test_what_is_stored_is_what_it_executes_to_the_bit():
    layout, controller = get_layout("libero"), LiberoController(FACTS)
    actions = np.random.default_rng(0).uniform(-1.3, 1.3, (500, 7)).astype(np.float32)
    stored = layout.encode_action(actions, controller, MODE)
    np.testing.assert_array_equal(stored, np.clip(actions, -1, 1))
    np.testing.assert_array_equal(layout.decode_action(stored, controller, MODE), stored)


def test_a_command_of_maniskills_is_one_of_liberos():
    from mstool.simulators.maniskill.controller import ManiSkillController

    layout = get_layout("libero")
    theirs = ControllerFacts(20, position_m=0.1, rotation_rad=-0.1, finger_closed_m=-0.01, finger_open_m=0.04)
    # Opens, and goes 2 cm and 0.05 rad of ManiSkill's.
    stored = layout.encode_action(np.array([[0.2, 0, 0, -0.5, 0, 0, 1]], np.float32), ManiSkillController(theirs), MODE)
    executed = layout.decode_action(stored, LiberoController(FACTS), MODE)
    np.testing.assert_allclose(executed, [[0.4, 0, 0, 0.1, 0, 0, -1]], atol=1e-6)


def test_pauses_are_steps_that_ask_for_nothing():
    actions = np.zeros((5, 7), np.float32)
    actions[:, 6] = [-1, -1, 1, 1, 1]
    actions[4, 0] = 0.1
    # The first has no step before it; the third moves the gripper, the last the arm.
    assert idle_steps(actions).tolist() == [True, True, False, True, False]


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"LIBERO needs libero, robosuite and mujoco.*extra libero") as caught:
        choose_envs(["libero_spatial"], None, None)
    assert "libero" in caught.value.fix
    assert benchmark_of("libero_spatial").env_ids() == []


@needs_libero
def test_a_suite_is_its_tasks():
    assert choose_envs(["libero_spatial", "libero_10/3"], None, None) == [
        *(f"libero_spatial/{number}" for number in range(10)),
        "libero_10/3",
    ]
    assert len(tasks.all_tasks()) == 130
    assert tasks.find_task("libero_spatial/0").sentence == (
        "pick up the black bowl between the plate and the ramekin and place it on the plate"
    )
    assert tasks.find_task("libero_90/0").sentence == "close the top drawer of the cabinet"
    assert tasks.find_task("libero_object/0").initial_states().shape[0] == 50


@needs_libero
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("libero_spacial", "no suite 'libero_spacial'"),
        ("libero_spatial/10", "no task '10': its 10 are libero_spatial/0 to libero_spatial/9"),
        ("libero_spatial/x", "no task 'x'"),
    ],
)
def test_a_wrong_name_is_told_with_the_right_ones(name, problem):
    with pytest.raises(UsageError, match=problem) as caught:
        choose_envs([name], None, None)
    assert caught.value.fix.startswith("--env libero_spatial")


@needs_libero
@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ("libero_spatia/2", "libero_spatial/2"),
        ("libero_objec/12", "libero_object/0"),
        ("libero", "libero_spatial"),
        ("libero_spatial/12", "libero_spatial/0"),
        ("libero_spatial/2,libero_spatial/3", "libero_spatial/2"),
    ],
)
def test_a_wrong_name_is_mended_in_the_whole_command(mstool, tmp_path, capsys, given, instead):
    words = ("demos", "generate", "--env", "{}", "--episodes", "1", "--output", str(tmp_path / "x"))
    assert mstool(*(word.format(given) for word in words)) == 2
    err = capsys.readouterr().err
    assert f"fix: {' '.join(('mstool', *words)).format(instead)}\n" in err
    assert ("per call" in err) is ("," in given)


@needs_libero
def test_episodes_are_its_initial_states():
    (task,) = plan_tasks(["libero_spatial/3"], None, seeds=range(50))
    assert task.horizon == 220
    with pytest.raises(UsageError, match="has 50 initial states, 0 to 49; 50 is none of them"):
        plan_tasks(["libero_spatial/3"], None, seeds=range(51))


@needs_libero
@pytest.mark.parametrize(
    ("trained", "fix"),
    [
        (range(40), "add --seed-start 40 --episodes 10"),
        (range(10), "add --seed-start 10"),
        (range(10, 50), "add --seed-start 0 --episodes 10"),
        (range(50), "fewer --episodes, or a lower --seed-start; from 1000 on, LIBERO's sampler places the objects"),
        (range(1000, 1040), ""),
    ],
)
def test_initial_states_that_were_trained_on_are_told_with_those_that_are_left(trained, fix):
    known = conventions(env_id="libero_spatial/3", seeds=trained)
    if not fix:
        assert plan_tasks(["libero_spatial/3"], known, seeds=range(40))
        return
    with pytest.raises(UsageError, match="were trained on") as caught:
        plan_tasks(["libero_spatial/3"], known, seeds=range(40) if trained[0] == 0 else range(10, 50))
    assert caught.value.fix == fix


def test_a_suite_of_liberos_is_an_environment():
    with pytest.raises(UsageError, match="no suite 'libero_spatial'") as caught:
        choose_envs([], "libero_spatial", None)
    assert caught.value.fix == "--env libero_spatial"


def test_protocols_are_named():
    assert choose_protocol(["libero_spatial/0"], None).horizon("libero_spatial/0") == 220
    assert choose_protocol(["libero_spatial/0"], "lerobot").horizon("libero_spatial/0") == 280
    assert choose_protocol(["PickCube-v1"], None) is None
    with pytest.raises(UsageError, match="LIBERO has no protocol 'pi', it has openpi, lerobot"):
        choose_protocol(["libero_spatial/0"], "pi")
    with pytest.raises(UsageError, match="ManiSkill has no protocol"):
        choose_protocol(["PickCube-v1"], "openpi")


def test_a_policy_of_another_layout_is_told_before_anything_is_built():
    """A checkpoint of ManiSkill's, whose actions are numbers of ManiSkill's own controllers."""
    for layout, mode in (("joint", "pd_ee_delta_pose"), ("tcp", "pd_ee_delta_pose")):
        with pytest.raises(UsageError, match=f"layout '{layout}' has no meaning in LIBERO") as caught:
            Scene(conventions(layout, mode=mode), "libero_spatial/0")
        assert "--layout libero" in caught.value.fix


@needs_libero
def test_a_layout_of_maniskills_numbers_has_no_meaning():
    with pytest.raises(UsageError, match="layout 'tcp' has no meaning in LIBERO"):
        make_recipe("libero_spatial/0", layout="tcp")


@needs_libero
def test_a_file_says_its_task_and_where_its_fixtures_stood(tmp_path):
    demos = LiberoDemos(write_demos(tmp_path / "libero_spatial" / "any_demo.hdf5"))
    assert (demos.env_id, len(demos), demos.problems()) == ("libero_spatial/3", 1, {})
    demo = demos.read(0)
    np.testing.assert_array_equal(demo.first_state["fixtures"]["wooden_cabinet_1"], [1, 2, 3, 0, 0, 0, 1])
    assert demo.idle.all()


@needs_libero
def test_the_log_has_to_the_bit_where_a_demo_begins_that_no_seed_gives(tmp_path):
    demo = LiberoDemos(write_demos(tmp_path / "libero_spatial" / "any_demo.hdf5")).read(0)
    demo.first_state["mujoco"]["state"][:] = np.random.default_rng(0).uniform(size=92)
    line = {"env_id": demo.env_id, "seed": demo.seed, "first_state": as_lists(demo.first_state)}
    conventions = Conventions("d", 20, {}, Record.from_json({}), [json.loads(json.dumps(line))])
    found = conventions.first_state(demo.env_id, demo.seed)
    assert demo.seedless
    assert found.keys() == demo.first_state.keys()
    for group, named in found.items():
        for name, values in named.items():
            np.testing.assert_array_equal(values, demo.first_state[group][name])
    assert conventions.first_state(demo.env_id, 3) is None
    save_conventions(conventions, tmp_path)
    assert "first_state" not in (tmp_path / "mstool_conventions.json").read_text()
    line["first_state"] = {"mujoco": {"state": ["x"]}}
    with pytest.raises(DataError, match="first state of libero_spatial/3, seed 1000000, is malformed"):
        Conventions("d", 20, {}, Record.from_json({}), [line]).first_state(demo.env_id, demo.seed)


@needs_libero
def test_a_folder_of_a_suite_is_asked_for_one_task(tmp_path):
    write_demos(tmp_path / "libero_spatial" / f"{tasks.find_task('libero_spatial/3').name}_demo.hdf5")
    assert LiberoDemos(tmp_path, "libero_spatial/3").env_id == "libero_spatial/3"
    with pytest.raises(DataError, match="holds demos of libero_spatial/3, not of libero_spatial/4") as caught:
        LiberoDemos(tmp_path, "libero_spatial/4")
    assert caught.value.change == {"--env": "libero_spatial/3"}


@needs_libero
def test_no_demos_are_announced_where_there_is_no_expert(mstool, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mstool("convert", "--env", "libero_goal/0", "--output", "out") == 2
    err = capsys.readouterr().err
    assert "there is no scripted expert for libero_goal/0" in err
    assert err.endswith("fix: mstool convert --env libero_goal/0 --output out --demos hub\n")
    assert "generating" not in err


@needs_libero
def test_a_scripted_expert_is_announced_as_that(monkeypatch, tmp_path):
    said = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mstool.simulators.libero.benchmark.generate_demos", lambda *_, **__: None)
    with pytest.raises(DataError):
        open_demos("libero_object/0", "generate", episodes=3, notify=said.append)
    assert said[0].startswith("demos: generating 3 with a scripted expert, from seed 1000, into data/demos/")


@needs_libero
def test_a_folder_without_the_demos_that_are_wanted_says_what_it_holds(mstool, tmp_path, capsys):
    line = ["convert", "--env", "libero_object/0", "--output", str(tmp_path / "out"), "--demos", str(tmp_path / "in")]

    def told():
        assert mstool(*line) == 1
        return capsys.readouterr().err

    generate = f"fix: mstool {' '.join(line[:-2])} --demos generate\n"
    (tmp_path / "in").mkdir()
    assert f"error: {tmp_path}/in is empty\n{generate}" in told()
    (tmp_path / "in/notes.txt").touch()
    assert f"error: {tmp_path}/in holds no demos of LIBERO's: no file *_demo.hdf5\n{generate}" in told()
    folder = tmp_path / "in/libero_spatial"
    write_demos(folder / f"{tasks.find_task('libero_spatial/2').name}_demo.hdf5")
    err = told()
    assert f"{tmp_path}/in holds demos of libero_spatial/2, not of libero_object/0\n" in err
    assert err.endswith(f"--demos {tmp_path}/in --env libero_spatial/2\n")
    write_demos(folder / "mine_demo.hdf5")
    assert f"holds demos of mine_demo.hdf5, libero_spatial/2, not of libero_object/0\n{generate}" in told()


@needs_libero
@pytest.mark.parametrize(
    ("options", "problem"),
    [({"states": False}, "demo_0 has no states"), ({"bddl": "mine/open_the_door.bddl"}, "of no task of LIBERO's")],
)
def test_what_cannot_be_used_is_told(tmp_path, options, problem):
    with pytest.raises(DataError, match=problem):
        LiberoDemos(write_demos(tmp_path / "some_demo.hdf5", **options))


@needs_libero
def test_a_damaged_episode_is_told_beside_the_good_ones(tmp_path):
    path = write_demos(tmp_path / "libero_spatial" / "any_demo.hdf5")
    with h5py.File(path, "a") as file:
        for number in range(1, 4):
            file.copy("data/demo_0", file["data"], name=f"demo_{number}")
        del file["data/demo_1/states"], file["data/demo_2/actions"]
        file["data/demo_2/actions"] = np.zeros((4, 7))
        file["data/demo_3"].attrs["model_file"] = "<mujoco"
    demos = LiberoDemos(path)
    said = {1: "no states", 2: "states of shape (6, 92) for 4 actions", 3: "a model_file that is no XML"}
    assert demos.problems() == said
    assert demos.read(0).actions.shape == (6, 7)


@needs_libero
def test_a_policy_of_two_benchmarks_is_judged_by_the_controller_of_the_tasks_own(tmp_path):
    record = Record(
        layout="libero",
        robot="panda",
        robots={"PickCube-v1": "panda", "libero_spatial/2": "Panda"},
        controller={"position_m": 0.1},
        controllers={"PickCube-v1": {"position_m": 0.1}, "libero_spatial/2": {"position_m": 0.05}},
        env_ids=("PickCube-v1", "libero_spatial/2"),
    )
    both = Conventions("both", 20, {}, record, [])
    assert recorded(both, "libero_spatial/0") == "libero_spatial/2"
    assert recorded(both, "StackCube-v1") == "PickCube-v1"
    assert recorded(both, "libero_spatial/2") == "libero_spatial/2"
    alone = Conventions("one", 20, {}, replace(record, env_ids=("PickCube-v1",)), [])
    assert recorded(alone, "libero_spatial/0") == "libero_spatial/0"
