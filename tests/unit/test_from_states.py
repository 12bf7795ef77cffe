"""Demos whose recorded states are rendered: what the file must hold, and when it is advised."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from conftest import DEMOS
from support.demos import edit_json

from mstool.errors import DataError
from mstool.maniskill2lerobot.batches import Batch
from mstool.maniskill2lerobot.demos import DemoSource
from mstool.maniskill2lerobot.dropped import from_states, nothing_kept
from mstool.maniskill2lerobot.episode.source import NOT_HELD
from mstool.maniskill2lerobot.options import make_recipe
from mstool.simulators.maniskill.demos.reader import DemoFile


def batch(folder, observations="states"):
    return Batch(DemoSource(DemoFile(folder), "local"), make_recipe("PickCube-v1", observations=observations))


def test_a_real_demo_has_a_state_before_every_action_and_after_the_last():
    demos = DemoFile(DEMOS / "PickCube-v1")
    demo, recorded = demos.read(1), demos.recorded_states(1)
    assert len(recorded.states) == len(demo.actions) + 1
    assert recorded.success is True
    for name, body in demo.first_state["actors"].items():
        np.testing.assert_array_equal(recorded.states[0]["actors"][name], body)
    assert batch(DEMOS / "PickCube-v1").invalid(skip=False) == {}


def test_success_is_the_flag_of_the_last_step_else_the_jsons(demo_copy):
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        file["traj_0/success"][-1] = False
        del file["traj_1/success"], file["traj_2/success"]
    edit_json(demo_copy, lambda d: [d["episodes"][1].update(success=True), d["episodes"][2].pop("success")])
    assert [DemoFile(demo_copy).recorded_states(p).success for p in range(3)] == [False, True, None]


def test_states_that_do_not_fit_are_listed_before_any_work(demo_copy):
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        del file["traj_0/env_states"]
        cube = file["traj_1/env_states/actors/cube"][:-1]
        del file["traj_1/env_states/actors/cube"]
        file["traj_1/env_states/actors/cube"] = cube
        file["traj_2/env_states/articulations/panda"][4, 3] = np.nan
    with pytest.raises(DataError, match="3 of 4 demos cannot be used") as error:
        batch(demo_copy).invalid(skip=False)
    for part in (
        "traj_0 in .* holds no states",
        r"/traj_1/env_states/actors/cube has shape \(\d+, 13\), expected",
        "articulations/panda has NaN",
    ):
        assert error.match(part)
    assert sorted(batch(demo_copy).invalid(skip=True)) == [0, 1, 2]
    assert batch(demo_copy, "replayed").invalid(skip=False) == {}


def test_a_file_without_states_can_be_executed(demo_copy):
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        for group in file.values():
            del group["env_states"]
    with pytest.raises(DataError, match="4 of 4 demos cannot be used") as error:
        batch(demo_copy).invalid(skip=False)
    assert error.value.fix == "leave out --from-states: the demos are then executed again"


@pytest.mark.parametrize(
    ("dropped", "observations", "states", "advised"),
    [
        ({"not successful": 3}, "replayed", "there", True),
        ({"not successful": 4}, "replayed", "there", True),
        ({"not successful": 2, "timeout": 2}, "replayed", "there", False),
        ({"not successful": 3}, "states", "there", False),
        ({"not successful": 3}, "replayed", "", False),
    ],
)
def test_they_are_advised_where_most_demos_fail_when_executed(dropped, observations, states, advised):
    demo = SimpleNamespace(actions=[0] * 9, control_mode="a", states=states)
    demos = SimpleNamespace(read=lambda _: demo)
    recipe = SimpleNamespace(
        observations=observations, env_id="PickCube-v1", horizon=3, control_mode="a", of=lambda each: each
    )
    batches = [SimpleNamespace(recipe=recipe, positions=[0, 1, 2, 3], source=SimpleNamespace(demos=demos))]
    assert ("--from-states" in from_states(batches, dropped)) == advised
    error = nothing_kept(batches, dropped)
    assert error.fix.endswith("mstool convert --env PickCube-v1 --demos generate")
    assert error.fix.startswith("add --from-states") == advised


def test_the_fingerprint_of_what_is_executed_knows_nothing_of_states(demo_copy):
    demo = DemoFile(demo_copy).read(0)
    assert "states" not in batch(demo_copy, "replayed").recipe.made_from(demo)["demo"]
    assert batch(demo_copy).recipe.made_from(demo)["demo"]["states"] == demo.states != ""


def test_the_two_ways_to_take_a_file_exclude_each_other(mstool, demo_copy, tmp_path, capsys):
    words = ("convert", "--env", "PickCube-v1", "--demos", demo_copy, "--output", tmp_path / "out")
    assert mstool(*words, "--from-states", "--observations", "recorded") == 2
    fix = capsys.readouterr().err.splitlines()[-1]
    assert fix.endswith("--observations recorded")
    assert "--from-states" not in fix


@pytest.mark.parametrize(("layout", "mode"), [("native", "pd_joint_pos"), ("libero", "pd_ee_delta_pose")])
def test_demos_that_are_longer_than_the_horizon(layout, mode):
    """The horizon that the fix names is long enough for each of them, also with a conversion's few steps more."""
    demos = DemoFile(DEMOS / "PickCube-v1")
    recipe = make_recipe("PickCube-v1", observations="replayed", horizon=3, layout=layout, control_mode=mode)
    error = nothing_kept([Batch(DemoSource(demos, "local"), recipe)], {"timeout": 4})
    assert error.message == "none of the 4 demos led to success: 4 x longer than --horizon 3"
    longest = max(len(demos.read(position).actions) for position in range(4))
    assert error.change == {"--horizon": longest if mode == demos.read(0).control_mode else 2 * longest}


def test_most_demos_within_the_horizon_get_no_longer_one():
    error = nothing_kept([batch(DEMOS / "PickCube-v1", "replayed")], {"timeout": 1, "not successful": 3})
    assert "1 x longer than --horizon 150" in error.message
    assert error.change == {"--from-states": True, "--hold-steps": None}


def test_demos_that_are_solved_but_not_held_are_told_to_be_held_less():
    held = Batch(DemoSource(DemoFile(DEMOS / "PickCube-v1"), "local"), make_recipe("PickCube-v1", hold_steps=1000))
    error = nothing_kept([held], {NOT_HELD: 3, "not successful": 1})
    assert "3 x solved where the demo ends, but no longer after --hold-steps" in error.message
    assert error.change == {"--hold-steps": None}
    assert "--from-states" not in error.fix
