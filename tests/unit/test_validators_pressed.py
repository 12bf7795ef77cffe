"""Demos in which a hand presses on something, or begins in the middle of a motion: right ones, and wrong ones still."""

from pathlib import Path

import numpy as np
import pytest

from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.record import Record
from mstool.dataset.view import Rows
from mstool.validators.check import CHECKS, Context
from mstool.validators.checks import load_checks, video_time
from mstool.validators.clips import Clip
from mstool.validators.runner import run_check
from mstool.validators.sampling import SampledView
from mstool.validators.targets import get_target
from mstool.validators.tracks import is_pushed, tracks

RECORD = Record(
    version="0.3.0",
    layout="libero",
    control_mode="pd_ee_delta_pose",
    robot="panda",
    controller={"position_m": 0.1, "rotation_rad": -0.1},
    env_ids=["PullCube-v1"],
)
STATE = ["x", "y", "z", "axis_angle_x", "axis_angle_y", "axis_angle_z", "finger_left", "finger_right"]
ACTION = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"]
UNITS = np.array([0.05] * 3 + [0.5] * 3)
# A PullCube demo from where the fingers touch the table to where it ends, 1e-4 m and rad: steps and commands of x, z
# and pitch. Nothing turns the hand but what it drags over.
STEPS = np.array([
    [-6, -11, -16, -22, -27, -33, -38, -44, -50, -57, -60, -67, -74, -81, -88, -95, -98, -97, -95, -92,
     -87, -83, -77, -72, -66, -60, -54, -47, -41, -34, -27, -20, -14, -7, -1, 3, 3, 3, 18],
    [1, 0, -1, -1, -2, -3, -2, -2, -3, -4, 0, -1, 0, 0, 0, 0, -1, 0, 0, -1,
     0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -2, -1, 17],
    [-1, -1, -1, -1, -1, -1, -3, -4, -4, -1, -11, -10, -14, -15, -17, -19, -20, -21, -21, -20,
     -21, -19, -20, -19, -18, -18, -16, -14, -12, -10, -8, -7, -4, -1, 1, 8, 11, 8, -46],
]).T * 1e-4  # fmt: skip
COMMANDS = np.array([
    [-17, -30, -44, -57, -72, -86, -101, -118, -135, -153, -171, -194, -217, -243, -270, -295, -310, -318, -321, -321,
     -318, -313, -307, -300, -292, -283, -273, -262, -249, -236, -221, -205, -188, -169, -149, -132, -123, -122, 0],
    [1, -1, -3, -5, -6, -8, -9, -11, -13, -15, -18, -24, -31, -39, -47, -55, -64, -71, -79, -86,
     -92, -98, -103, -109, -113, -118, -121, -124, -127, -128, -130, -130, -131, -130, -129, -128, -126, -124, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 10, 24, 33, 47, 62, 79, 98, 118, 138, 160,
     180, 201, 221, 241, 260, 278, 296, 311, 326, 338, 348, 356, 363, 367, 368, 366, 358, 347, 0],
]).T * 1e-4  # fmt: skip
PRESSED = [0, 2, 4]
# As high as where ManiSkill's begin, but turned by nothing: small turns are then differences of the axis-angle.
BEGINNING = np.array([0, 0, 0.17, 0, 0, 0])
HELD = 20


def steered(rng, steps=40, size=0.02):
    """Return smooth commands (steps, 6), m and rad."""
    at = np.linspace(0, 5, steps)
    return np.stack([np.interp(at, range(6), rng.normal(0, size, 6)) for _ in range(6)], axis=1)


def followed(commands):
    """Return what ManiSkill's Panda does in free space: 0.39 of a command, half of it a step later."""
    return 0.2 * commands + 0.19 * np.concatenate([commands[:1], commands[:-1]])


def demo(rng, pressed=True, turn=0.2):
    """Return steps and commands (T, 6) of a demo: towards the cube, and then pulled, and held still."""
    commands = steered(rng) * [1, 1, 1, turn, turn, turn]
    moved = followed(commands)
    if pressed:
        still = np.zeros((len(STEPS), 6))
        pulled, wanted = still.copy(), still.copy()
        pulled[:, PRESSED], wanted[:, PRESSED] = STEPS, COMMANDS
        wanted[:, 1] = steered(rng, len(STEPS), 0.005)[:, 1]
        pulled[:, 1] = followed(wanted)[:, 1]
        moved, commands = np.concatenate([moved, pulled]), np.concatenate([commands, wanted])
    rest = np.zeros((HELD, 6))
    return np.concatenate([moved, rest]), np.concatenate([commands, rest])


class InMemory(SampledView):
    """A dataset without any file."""

    def need_columns(self, *names):
        assert set(names) <= set(self.features)


def context_of(demos, fingers=None, closed=None):
    """Return a dataset of these steps and commands; fingers (T, 2) and their command (T,) are closed unless given."""
    data = InMemory(Path("nowhere"))
    features = {"observation.state": STATE, "action": ACTION}
    described = {name: {"dtype": "float32", "shape": [len(of)], "names": of} for name, of in features.items()}
    data.__dict__["info"] = {"codebase_version": "v3.0", "fps": 20, "features": described}
    data.__dict__["record"] = RECORD
    data.__dict__["episodes"] = [EpisodeRow(i, len(m) + 1, ("pull",), {}, None) for i, (m, _) in enumerate(demos)]
    data.__dict__["episode_log"] = [{"episode_index": i, "env_id": "PullCube-v1"} for i in range(len(demos))]
    data.__dict__["sample"] = []
    for i, (moved, commands) in enumerate(demos):
        pose = BEGINNING + np.concatenate([np.zeros((1, 6)), np.cumsum(moved, axis=0)])
        state = np.concatenate([pose, np.zeros((len(pose), 2)) if fingers is None else fingers[i]], axis=1)
        told = np.ones(len(pose)) if closed is None else closed[i]
        actions = np.concatenate([np.concatenate([commands, np.zeros((1, 6))]) / UNITS, told[:, None]], axis=1)
        columns = {"observation.state": state.astype(np.float32), "action": actions.astype(np.float32)}
        data.__dict__["sample"].append(Rows(i, columns))
    return Context(data, get_target("lerobot_pi05"))


def result_of(code, context):
    load_checks()
    result = run_check(CHECKS[code](), context)
    assert result.status != "error", result.reason
    return result


@pytest.fixture
def pulls():
    """Return demos that are never told to turn."""
    rng = np.random.default_rng(0)
    return [demo(rng, turn=0) for _ in range(6)]


@pytest.fixture
def turns():
    rng = np.random.default_rng(0)
    return [demo(rng, pressed=i % 2 == 0, turn=1) for i in range(6)]


def scaled(demos, factor, axes=slice(3, 6)):
    for _, commands in demos:
        commands[:, axes] *= factor
    return demos


def test_what_is_pushed_is_told_from_what_is_steered(pulls, turns):
    assert is_pushed(tracks(context_of(pulls))[1], 4)
    for factor in (1, -1, 0.2, -0.2, -5):
        _, found = tracks(context_of(scaled([(m, c.copy()) for m, c in turns], factor)))
        assert not any(is_pushed(found, axis) for axis in range(6)), factor


@pytest.mark.parametrize("code", ["MS502", "MS503", "MS504", "MS509", "MS510", "MS511", "MS512"])
def test_hands_that_press_are_valid(code, pulls, turns):
    for demos in (pulls, pulls[:2], turns):
        result = result_of(code, context_of(demos))
        assert not [issue for issue in result.issues if "does not begin" not in issue.message]


def test_unit_and_signs_are_judged_by_free_axes(pulls, turns):
    assert result_of("MS504", context_of(pulls)).status == "skipped"
    (note,) = result_of("MS503", context_of(pulls)).notes
    assert float(note.text.split()[1]) == pytest.approx(0.39, abs=0.02)
    assert result_of("MS504", context_of(turns)).status == "passed"


@pytest.mark.parametrize(("code", "factor"), [("MS504", -1), ("MS504", -5), ("MS503", 0.2), ("MS503", 2), ("MS503", 5)])
def test_wrong_turns_are_still_told(code, factor, turns):
    assert result_of(code, context_of(scaled(turns, factor))).status == "failed"


@pytest.mark.parametrize("factor", [0.2, 2])
def test_a_wrong_unit_of_positions_is_still_told_of_hands_that_press(factor, pulls):
    (issue,) = result_of("MS503", context_of(scaled(pulls, factor, slice(0, 3)))).issues
    assert "position unit" in issue.message


def test_noise_is_still_told_of_hands_that_press(pulls):
    rng = np.random.default_rng(1)
    for _, commands in pulls:
        commands[:-HELD] += rng.normal(0, 2 * commands.std(axis=0), (len(commands) - HELD, 6))
    assert "they hold noise" in result_of("MS512", context_of(pulls)).issues[0].message


def test_exchanged_axes_are_still_told_of_hands_that_press(pulls):
    for _, commands in pulls:
        commands[:, [0, 1]] = commands[:, [1, 0]]
    assert result_of("MS510", context_of(pulls)).status == "failed"


def test_actions_of_another_episode_are_still_told_of_hands_that_press(pulls):
    pulls[2] = (pulls[2][0], pulls[3][1])
    assert [issue.episode for issue in result_of("MS509", context_of(pulls)).issues] == [2]


def trembling(demos):
    """Return states that tremble where the hand is held, by less than a float32 near pi can tell."""
    context = context_of(demos)
    rng = np.random.default_rng(2)
    for rows in context.data.sample:
        state = rows.columns["observation.state"].astype(np.float64)
        size = np.where(np.arange(len(state)) < len(state) - HELD, 1e-5, 3e-8)
        state[:, :6] += [0, 0, 0, 3.1, 0, 0] + rng.normal(size=(len(state), 6)) * size[:, None]
        rows.columns["observation.state"] = state.astype(np.float32)
        assert (np.diff(rows.columns["observation.state"][-HELD:], axis=0) != 0)[:, [0, 1, 4, 5]].any()
    return context


def test_an_angle_near_pi_may_keep_its_value_where_the_hand_is_held(turns):
    assert result_of("MS413", trembling(turns)).status == "passed"


def test_an_angle_that_stops_while_the_hand_moves_is_still_told(turns):
    context = trembling(turns)
    state = context.data.sample[0].columns["observation.state"]
    state[5:35, 3] = state[5, 3]
    assert [issue.episode for issue in result_of("MS413", context).issues] == [0]


def closing(length, closes):
    """Return fingers (T, 2) and their command (T,), +1 closed: open, then closed in three frames from `closes` on."""
    opening = np.interp(np.arange(length), [closes, closes + 3], [0.04, 0.0])
    return np.stack([opening, -opening], axis=1), np.where(np.arange(length) < closes, -1.0, 1.0)


def test_fingers_may_rest_for_an_episode_only_where_they_are_told_to(turns):
    lengths = [len(moved) + 1 for moved, _ in turns]
    fingers, closed = map(list, zip(*(closing(length, 10) for length in lengths), strict=True))
    fingers[1], closed[1] = np.zeros((lengths[1], 2)), np.ones(lengths[1])
    fingers[1][5:9, 0] = 5e-5  # Something pushes one of them.
    assert result_of("MS413", context_of(turns, fingers, closed)).status == "passed"
    closed[1] = closed[0][: lengths[1]]
    assert {issue.episode for issue in result_of("MS413", context_of(turns, fingers, closed)).issues} == {1}


def test_fingers_that_never_open_are_warned_of_where_they_are_told_to_rest(turns):
    closed = result_of("MS405", context_of(turns))
    assert closed.status == "warned"
    assert {issue.observed for issue in closed.issues} == {"always 0"}
    assert all("told to rest" in issue.message and "mstool merge" in issue.fix for issue in closed.issues)
    told_open = context_of(turns, closed=[-np.ones(len(moved) + 1) for moved, _ in turns])
    assert result_of("MS405", told_open).status == "failed"


def test_of_one_seed_there_may_be_demos_that_begin_on_the_way(turns, monkeypatch):
    monkeypatch.setattr("mstool.validators.checks.provenance._record", lambda _context: RECORD)
    context = context_of(turns[:3])
    for line, frames in zip(context.data.episode_log, (70, 70, 50), strict=True):
        line |= {"seed": 3, "source_episode": 0, "frames": frames}
    context.data.episode_log[1]["disturbed"] = context.data.episode_log[2]["disturbed"] = True
    same = [issue for issue in result_of("MS803", context).issues if "the same demo" in issue.message]
    assert not same
    context.data.episode_log[2]["frames"] = 70
    (same,) = [issue for issue in result_of("MS803", context).issues if "the same demo" in issue.message]
    assert (same.message, same.episode) == ("the same demo as episode 1", 2)


def test_fingers_that_give_way_were_not_moved_by_a_command(turns):
    lengths = [len(moved) + 1 for moved, _ in turns]
    given_way = [np.zeros((length, 2)) for length in lengths]
    for fingers in given_way:
        fingers[20:23, 0] = 6e-4
    assert result_of("MS501", context_of(turns, given_way)).status == "skipped"
    fingers, closed = map(list, zip(*(closing(length, 10) for length in lengths), strict=True))
    for each in fingers:
        each[20:23, 0] += 6e-4
    assert result_of("MS501", context_of(turns, fingers, closed)).status == "passed"
    assert result_of("MS501", context_of(turns, fingers, [-each for each in closed])).status == "failed"


@pytest.mark.parametrize("disturbed", [False, True])
def test_only_a_demo_that_begins_in_a_motion_may_begin_with_its_last_step(disturbed, turns):
    for moved, _ in turns:
        moved[0, 0], moved[1:6] = 0.03, 0
    context = context_of(turns)
    for line in context.data.episode_log:
        line["disturbed"] = disturbed
    assert {issue.frame for issue in result_of("MS207", context).issues} == (set() if disturbed else {1})


def film_of(track):
    """Return a film into which an arm comes from the left, after twenty frames, at an even pace."""
    arm = np.random.default_rng(3).integers(60, 250, (20, 64, 3), np.uint8)
    film = np.full((len(track.state), 64, 64, 3), 60, np.uint8)
    for frame, picture in enumerate(film):
        inside = np.clip(frame - 20, 0, 64)
        picture[20:40, :inside] = arm[:, 64 - inside :]
    return film


@pytest.mark.parametrize("frozen", [False, True])
def test_a_hand_that_comes_into_view_is_told_from_a_stream_that_stood_still(frozen, monkeypatch):
    moved = np.tile([0.005, 0, 0, 0, 0, 0], (60, 1))
    context = context_of([(moved, moved / 0.39)])
    film = film_of(tracks(context)[1][0])
    if frozen:
        film[:35] = film[35]
    clip = Clip(0, film, tuple(film[::20]), tuple(range(0, len(film), 20)))
    monkeypatch.setattr(video_time, "seen", lambda context: {"observation.images.image": [clip]})
    monkeypatch.setattr(video_time, "shows", lambda clip, camera: ())
    assert result_of("MS316", context).status == ("failed" if frozen else "passed")


def pushed_along_x(rng, early=0):
    """Return steps and commands (T, 6) of a hand that what it pushes along x holds back, commands so many too early."""
    commands = steered(rng, 60) * [1, 1, 1, 0, 0, 0]
    moved = rng.normal(0, 3e-4, commands.shape) * [1, 1, 1, 0, 0, 0]
    for axis, later in enumerate((2, 1, 1)):
        moved[later:, axis] += 0.39 * commands[:-later, axis]
    return moved[: 60 - early], commands[early:]


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_one_axis_that_is_held_back_is_too_little_to_call_actions_of_few_episodes_early(count):
    rng = np.random.default_rng(0)
    held_back = result_of("MS505", context_of([pushed_along_x(rng) for _ in range(count)]))
    if count < 8:
        assert held_back.status == "passed"
        assert f"{count} episodes do not tell which" in held_back.notes[-1].text
    else:
        assert "actions are early by" in held_back.issues[0].message
    early = result_of("MS505", context_of([pushed_along_x(rng, early=1) for _ in range(count)]))
    assert "actions are early by" in early.issues[0].message
