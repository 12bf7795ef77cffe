import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from mstool.contract import ControllerFacts, RobotTrack
from mstool.errors import UsageError
from mstool.layouts import LAYOUTS, get_layout
from mstool.simulators.maniskill.controller import ManiSkillController

FACTS = ControllerFacts(
    fps=20, position_m=0.1, rotation_rad=-0.1, joint_rad=0.1, finger_closed_m=-0.01, finger_open_m=0.04
)
CONTROLLER = ManiSkillController(FACTS)
CASES = [(layout, mode) for layout in LAYOUTS.values() for mode in layout.control_modes]
IDS = [f"{layout.name}-{mode}" for layout, mode in CASES]


def executable(layout, mode, values):
    """ManiSkill actions within what the controller executes unclipped."""
    width = 7 if "ee" in mode else 8
    actions = np.array(values[:, :width])
    if width == 7:
        actions[:, 3:6] /= np.maximum(np.linalg.norm(actions[:, 3:6], axis=1, keepdims=True), 1)
    return actions.astype(np.float32)


@pytest.mark.parametrize(("layout", "mode"), CASES, ids=IDS)
@given(values=arrays(np.float64, (6, 8), elements=st.floats(-1, 1)))
def test_maniskill_to_layout_and_back(layout, mode, values):
    actions = executable(layout, mode, values)
    back = layout.decode_action(layout.encode_action(actions, CONTROLLER, mode), CONTROLLER, mode)
    np.testing.assert_allclose(back, actions, atol=1e-6)


@pytest.mark.parametrize(("layout", "mode"), CASES, ids=IDS)
@given(values=arrays(np.float64, (6, 8), elements=st.floats(-1, 1)))
def test_layout_to_maniskill_and_back(layout, mode, values):
    stored = layout.encode_action(executable(layout, mode, values), CONTROLLER, mode)
    again = layout.encode_action(layout.decode_action(stored, CONTROLLER, mode), CONTROLLER, mode)
    np.testing.assert_allclose(again, stored, atol=1e-6)


@pytest.mark.parametrize(("layout", "mode"), CASES, ids=IDS)
@given(values=arrays(np.float32, (6, 8), elements=st.floats(-4, 4, width=32)))
def test_what_conversion_executes_is_a_fixed_point(layout, mode, values):
    """Actions beyond the controller's range too: what decodes from the stored ones, encoded again, is the same."""
    stored = layout.encode_action(values[:, : 7 if "ee" in mode else 8], CONTROLLER, mode)
    executed = layout.decode_action(stored, CONTROLLER, mode)
    again = layout.encode_action(executed, CONTROLLER, mode)
    np.testing.assert_array_equal(again, stored)
    assert layout.decode_action(again, CONTROLLER, mode).tobytes() == executed.tobytes()
    # A reader may decode step by step, or from doubles.
    one_by_one = [layout.decode_action(row[None].astype(np.float64), CONTROLLER, mode) for row in stored]
    assert np.concatenate(one_by_one).tobytes() == executed.tobytes()


@pytest.mark.parametrize(("layout", "mode"), CASES, ids=IDS)
def test_names_and_widths_agree(layout, mode):
    width = 7 if "ee" in mode else 8
    encoded = layout.encode_action(np.zeros((3, width), np.float32), CONTROLLER, mode)
    assert encoded.shape == (3, len(layout.action(mode)))
    assert encoded.dtype == np.float32
    track = RobotTrack(np.full((3, 9), 0.02, np.float32), np.tile(np.float32([0, 0, 0.1, 0, 1, 0, 0]), (3, 1)))
    state = layout.encode_state(track)
    assert state.shape == (3, len(layout.state)) == (3, 8)
    assert state.dtype == np.float32
    covered = sum(len(layout.state.names[part]) for _, part in layout.openpi_state)
    assert covered == 8


def test_libero_units_and_signs():
    libero = get_layout("libero")
    # 0.1 m along x, a quarter of ManiSkill's unit about y, gripper open.
    action = np.float32([[1, 0, 0, 0, 0.25, 0, 1]])
    (stored,) = libero.encode_action(action, CONTROLLER, "pd_ee_delta_pose")
    assert stored[0] == pytest.approx(2.0)  # 0.1 m in units of 0.05 m
    assert stored[4] == pytest.approx(-0.025 / 0.5)  # ManiSkill turns negatively, LIBERO records the real turn
    assert stored[6] == -1  # LIBERO: -1 opens


def test_libero_clips_what_the_controller_clips():
    libero = get_layout("libero")
    wild = np.float32([[3, -3, 0, 2, 2, 2, -5]])
    (stored,) = libero.encode_action(wild, CONTROLLER, "pd_ee_delta_pose")
    np.testing.assert_allclose(stored[:2], [2, -2])
    turned = np.linalg.norm(stored[3:6]) * 0.5
    limit = Rotation.from_euler("XYZ", np.full(3, -0.1 / np.sqrt(3))).magnitude()
    assert turned == pytest.approx(limit, rel=1e-5)
    assert stored[6] == 1


def test_droid_units():
    droid = get_layout("droid")
    (velocity,) = droid.encode_action(np.float32([[1, 0, 0, 0, 0, 0, 0, 1]]), CONTROLLER, "pd_joint_delta_pos")
    # 0.1 rad in 1/20 s is 2 rad/s; DROID's 1.0 is 0.2 rad in 1/15 s, 3 rad/s.
    assert velocity[0] == pytest.approx(2 / 3)
    assert velocity[7] == 0  # open
    track = RobotTrack(np.float32([[0] * 7 + [0.04, 0.04], [0] * 7 + [0, 0]]), np.zeros((2, 7), np.float32))
    np.testing.assert_allclose(droid.encode_state(track)[:, 7], [0, 1])


def test_unknown_layout_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'libero'"):
        get_layout("libro")


def test_layout_refuses_a_control_mode_without_meaning():
    with pytest.raises(UsageError) as error:
        get_layout("libero").check_control_mode("pd_joint_pos")
    assert error.value.fix == "use --control-mode pd_ee_delta_pose"


def test_a_robot_without_a_tool_centre_point_is_refused():
    track = RobotTrack(np.zeros((2, 9), np.float32), np.full((2, 7), np.nan, np.float32))
    with pytest.raises(UsageError, match="tool centre point"):
        get_layout("libero").encode_state(track)


@pytest.mark.parametrize(
    ("robot", "mode", "meaning"),
    [
        ("panda", "pd_joint_pos", "joint"),
        ("panda_wristcam", "pd_ee_delta_pose", "joint"),
        ("panda", "pd_joint_vel", "native"),
        ("so100", "pd_joint_pos", "native"),
        ("panda_wristcam+panda_wristcam", "pd_joint_pos", "native"),
    ],
)
def test_what_single_dimensions_of_native_are_is_known_of_a_lone_panda(robot, mode, meaning):
    assert LAYOUTS["native"].meant_as(robot, mode).name == meaning
    assert LAYOUTS["libero"].meant_as(robot, mode) is LAYOUTS["libero"]
