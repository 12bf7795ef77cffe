"""A layout is one file: nothing else knows one by its name, and a new one is validated, normalised and trained on."""

import ast
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from support.edited import edit_info, edit_rows
from support.shards import make_dataset, make_episode

from mstool.contract import Array, ControllerFacts, RobotTrack
from mstool.dataset.view import DatasetView
from mstool.errors import UsageError
from mstool.layouts import DEFAULT_LAYOUT, LAYOUTS, get_layout
from mstool.layouts.base import Camera, PhysicalLayout, VectorMeaning
from mstool.layouts.command import Command, Units
from mstool.layouts.facts import ActionFacts, Closure, Gripper
from mstool.layouts.openpi import DROID_DATA
from mstool.norm_stats.compute import compute
from mstool.robots import PANDA, ROBOTS, SO100, find_robot
from mstool.simulators.maniskill.controller import ManiSkillController
from mstool.training.openpi.recipe import read_recipe
from mstool.validators import validate
from mstool.validators.check import Context
from mstool.validators.meanings import meaning_of
from mstool.validators.targets import get_target

GOLDEN = Path(__file__).parent.parent / "golden" / "validate_data"
PACKAGE = Path(__file__).parents[2] / "mstool"
# Where a layout may be named: its own package, what a model reads, and the one that is taken where none is named.
MAY = ("layouts/", "validators/targets/", "defaults.py")
# A benchmark, and the extra that it comes with, are called as a layout is.
NAMESAKES = ("simulators/libero/", "doctor/libero.py", "installation.py")


def elsewhere() -> list[Path]:
    return [
        path for path in sorted(PACKAGE.rglob("*.py")) if not str(path.relative_to(PACKAGE)).startswith(MAY + NAMESAKES)
    ]


@pytest.mark.parametrize("path", elsewhere(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_module_knows_a_layout_by_its_name(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    # An attribute of a simulator's objects may be called as a layout is.
    attributes = {
        argument
        for node in nodes
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"getattr", "hasattr"}
        for argument in node.args
    }
    found = [
        f"line {node.lineno}: {node.value!r}"
        for node in nodes
        if isinstance(node, ast.Constant) and node.value in LAYOUTS and node not in attributes
    ]
    assert not found, f"{path}: ask the layout instead (mstool/layouts/base.py)"


def test_the_default_is_a_layout():
    assert get_layout(DEFAULT_LAYOUT).name == DEFAULT_LAYOUT


@pytest.mark.parametrize("layout", [each for each in LAYOUTS.values() if each.state_kind], ids=lambda each: each.name)
def test_facts_agree_with_names_and_units(layout):
    """What is said to people and what is said to code is the same."""
    for mode in layout.control_modes:
        action, facts = layout.action(mode), layout.action_facts(mode)
        assert action.names[facts.gripper.dimension] == "gripper"
        words = {"open": facts.gripper.open, "clos": facts.gripper.closed}
        for word, value in words.items():
            assert f"{value:g} {word}" in action.units[facts.gripper.dimension].replace("+", "")
        if facts.kind == "ee_delta":
            assert action.units[:6] == (f"{facts.position_m:g} m",) * 3 + (f"{facts.rotation_rad:g} rad",) * 3
        size = {"joint_position": "rad", "joint_delta": f"{facts.joint_rad:g} rad"}
        if facts.joint_rad_per_s:
            size["joint_delta"] = f"{facts.joint_rad_per_s:g} rad/s"
        if facts.kind in size:
            assert set(action.units[:-1]) == {size[facts.kind]}
    assert layout.fingers is not None
    assert max(layout.fingers.ranges) == len(layout.state) - 1
    track = RobotTrack(np.float32([[0] * 7 + [0.03, 0.03]]), np.float32([[0.5, 0, 0.2, 0, 1, 0, 0]]))
    assert layout.fingers.opening(layout.encode_state(track)) == pytest.approx([0.06], abs=1e-6)


def test_another_simulator_feeds_the_same_layout():
    """A command in SI units is stored as the same ManiSkill step is."""
    controller = ManiSkillController(ControllerFacts(fps=20, position_m=0.1, rotation_rad=-0.1, joint_rad=0.1))
    libero, droid = get_layout("libero"), get_layout("droid")
    assert isinstance(libero, PhysicalLayout)
    assert isinstance(droid, PhysicalLayout)
    # 3 cm along x, 0.05 rad about z, gripper closing.
    command = Command(Units(20), np.array([[-1.0]]), np.array([[0.03, 0, 0]]), np.array([[0, 0, 0.05]]))
    action = np.float32([[0.3, 0, 0, 0, 0, -0.5, -1]])
    stored = libero.store(command, "pd_ee_delta_pose")
    np.testing.assert_allclose(stored, libero.encode_action(action, controller, "pd_ee_delta_pose"), atol=1e-6)
    back = libero.command(stored.astype(np.float64), Units(20), "pd_ee_delta_pose")
    np.testing.assert_allclose(back.position, command.position, atol=1e-7)
    np.testing.assert_allclose(back.turn, command.turn, atol=1e-7)
    assert back.gripper == command.gripper
    step = Command(Units(20), np.array([[1.0]]), joints=np.full((1, 7), 0.02))
    action = np.float32([[0.2] * 7 + [1]])
    mode = "pd_joint_delta_pos"
    np.testing.assert_allclose(droid.store(step, mode), droid.encode_action(action, controller, mode), atol=1e-6)


class DegreesLayout(PhysicalLayout):
    """A sixth layout: joints and closure of the gripper; joint steps of 3 degrees, a gripper from -10 to 10."""

    name = "degrees"
    summary = "joints, steps of 3 degrees"
    owner = "The test"
    state = VectorMeaning((*PANDA.joints, "closure"), (*["rad"] * 7, "0 open .. 1 closed"))
    state_kind = "joints"
    fingers = Closure(7, open_m=PANDA.finger_open_m)
    control_modes = ("pd_joint_delta_pos", "pd_joint_pos")
    cameras = (Camera("base", "image", "observation.images.image"),)
    image_size = (64, 64)
    conventions: ClassVar[dict[str, str]] = {"gripper_action": "10 open, -10 closed"}
    openpi_state = (("joint_position", slice(0, 7)), ("gripper_position", slice(7, 8)))
    openpi = DROID_DATA

    def action(self, control_mode: str) -> VectorMeaning:
        units = ["3 deg" if control_mode == "pd_joint_delta_pos" else "rad"] * 7
        return VectorMeaning((*PANDA.joints, "grip"), (*units, "10 open, -10 closed"))

    def action_facts(self, control_mode: str, controller: Mapping[str, float] | None = None) -> ActionFacts:
        gripper = Gripper(7, open=10.0, closed=-10.0)
        if control_mode == "pd_joint_pos":
            return ActionFacts("joint_position", gripper)
        return ActionFacts("joint_delta", gripper, joint_rad=float(np.deg2rad(3)))

    def encode_state(self, track: RobotTrack) -> Array:
        closure = 1 - track.qpos[:, 7:8] / PANDA.finger_open_m
        return np.concatenate([track.qpos[:, :7], closure], axis=1).astype(np.float32)

    def store(self, command: Command, control_mode: str) -> Array:
        assert command.joints is not None
        size = np.deg2rad(3) / command.units.joint_rad if control_mode == "pd_joint_delta_pos" else 1.0
        return np.concatenate([command.joints / size, command.gripper * 10], axis=1).astype(np.float32)

    def command(self, actions: Array, units: Units, control_mode: str) -> Command:
        size = np.deg2rad(3) / units.joint_rad if control_mode == "pd_joint_delta_pos" else 1.0
        return Command(units, actions[:, 7:] / 10, joints=actions[:, :7] * size)


@pytest.fixture
def degrees(monkeypatch):
    layout = DegreesLayout()
    monkeypatch.setitem(LAYOUTS, layout.name, layout)
    return layout


def test_a_new_layout_is_described_and_inverted(degrees):
    assert json.loads(json.dumps(get_layout("degrees").describe()))["actions"]["pd_joint_pos"]["units"][0] == "rad"
    controller = ManiSkillController(ControllerFacts(fps=20, joint_rad=0.1))
    action = np.float32([[0.5, -0.5, 0, 0, 0, 0, 1, -1]])
    stored = degrees.encode_action(action, controller, "pd_joint_delta_pos")
    assert stored[0, 0] == pytest.approx(np.rad2deg(0.05) / 3)
    np.testing.assert_allclose(degrees.decode_action(stored, controller, "pd_joint_delta_pos"), action, atol=1e-6)


@pytest.fixture
def in_degrees(degrees, tmp_path):
    """The golden `droid` episodes with their actions as the new layout stores them."""
    root = shutil.copytree(GOLDEN / "droid", tmp_path / "degrees")

    def declare(info):
        info["mstool"]["layout"] = "degrees"

    def rewrite(rows):
        action = rows["action"]
        rows["action"] = np.concatenate([action[:, :7] * np.rad2deg(3 / 20) / 3, 10 - 20 * action[:, 7:]], axis=1)

    edit_info(root, declare)
    edit_rows(root, rewrite)
    return root


def test_a_new_layout_is_validated_by_its_own_facts(in_degrees):
    meaning = meaning_of(Context(DatasetView(in_degrees), get_target("maniskill")))
    assert (meaning.layout, meaning.state, meaning.action, meaning.robot) == ("degrees", "joints", "joint_delta", PANDA)
    assert (meaning.joint_unit, meaning.gripper_open, meaning.gain) == (np.deg2rad(3), 10, PANDA.gain)
    codes = ("MS410", "MS411", "MS412", "MS501", "MS502", "MS503", "MS506", "MS507")
    report = validate(in_degrees, against="maniskill", select=codes)
    status = {result.code: result.status for result in report.results}
    assert set(status.values()) == {"passed"}, status
    # The same numbers taken for another layout's are found out.
    edit_info(in_degrees, lambda info: info["mstool"].update(layout="droid"))
    report = validate(in_degrees, against="maniskill", select=codes)
    assert {result.code for result in report.results if result.status == "failed"} >= {"MS412", "MS503"}


@pytest.fixture
def trained_on(degrees, tmp_path):
    """A v2.1 dataset in the new layout, written by the real writers."""
    episodes = [make_episode(tmp_path / "work", "degrees", seed=seed) for seed in range(2)]
    return make_dataset(tmp_path / "PickCube-v1", tmp_path / "work", {"v2.1": "image"}, episodes)


def test_a_new_layout_has_its_config_for_statistics(trained_on):
    result = compute([trained_on])
    assert (result.config.name, result.state.names) == (DROID_DATA.config, DegreesLayout.state.names)
    assert "NS112" not in {problem.code for problem in result.problems}
    found = {problem.code: problem.message for problem in compute([trained_on], config="pi05_droid").problems}
    assert "NS112" not in found


def test_a_new_layout_is_trained_on_by_openpi_as_it_says(trained_on, monkeypatch):
    recipe = read_recipe(trained_on)
    assert recipe.name == "maniskill_pickcube_droid"
    assert (recipe.horizon, recipe.delta, recipe.plain, recipe.use) == (16, (), True, DROID_DATA)
    monkeypatch.setattr(DegreesLayout, "openpi", None)
    with pytest.raises(UsageError, match=r"layout 'degrees' is not one that openpi reads.*libero and droid"):
        read_recipe(trained_on)


def test_a_robot_is_found_by_any_of_its_names():
    assert all(find_robot(name) is PANDA for name in ("panda", "panda_wristcam", "Franka", "panda+panda"))
    assert find_robot("xarm6_robotiq") is None
    assert find_robot("so100") is SO100
    assert find_robot("") is None


@pytest.mark.parametrize("robot", ROBOTS, ids=lambda robot: robot.name)
def test_a_robot_is_complete(robot):
    assert len(robot.joints) == len(robot.links) == len(robot.lower) == len(robot.upper)
    assert len(robot.qpos_names) == len(robot.qpos_units)
    assert all(low < high for low, high in zip(robot.lower, robot.upper, strict=True))
    assert all(word == word.lower() for word in robot.words)
