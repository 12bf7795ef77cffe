"""Datasets of several tasks: what holds of one task, or of one demo that touched the table, is no mistake."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import EPISODE_LOG_FILE
from mstool.dataset.record import Record
from mstool.simulators.libero.benchmark import Libero
from mstool.validators import validate
from mstool.validators.check import Context, Skip
from mstool.validators.checks import meaning_goal, meaning_kind, video_pictures, video_rows, video_upright
from mstool.validators.clips import Clip
from mstool.validators.meanings import Meaning
from mstool.validators.regression import fit
from mstool.validators.runner import run_check
from mstool.validators.sampling import SampledView
from mstool.validators.targets import get_target
from mstool.validators.tracks import Track

GOLDEN = Path(__file__).parent.parent / "golden" / "validate_data" / "libero"
MEANING = Meaning("record", "libero", "eef_axis_angle", "ee_delta", 0.05, 0.5, 0.0, 6)
SMALL = 48


def view_of(tasks, recorded=True):
    """Return a dataset whose episodes are of these tasks, in order, without any file."""
    data = SampledView(Path("nowhere"))
    data.__dict__["info"] = {"codebase_version": "v3.0", "features": {}}
    data.__dict__["record"] = Record(env_ids=sorted(set(tasks)))
    data.__dict__["episodes"] = [EpisodeRow(i, 50, (f"do {task}",), {}, None) for i, task in enumerate(tasks)]
    log = [{"episode_index": i, "env_id": task} for i, task in enumerate(tasks)]
    if recorded:
        data.__dict__["episode_log"] = log
    return data


@pytest.mark.parametrize("recorded", [True, False])
def test_pictures_of_every_task_are_looked_at(recorded):
    tasks = ["A-v1"] * 3 + ["B-v1"] * 900 + ["C-v1"] * 200
    data = view_of(tasks, recorded)
    looked_at = [tasks[row.index] for row in data.pictured]
    assert {task: looked_at.count(task) for task in tasks} == {"A-v1": 3, "B-v1": 6, "C-v1": 6}
    assert len(view_of([f"T{i}-v1" for i in range(500)]).pictured) == 24
    assert [row.index for row in view_of(["A-v1"] * 11).pictured] == [0, 2, 4, 6, 8, 10]


def test_numbers_of_pictured_episodes_are_read(monkeypatch):
    data = SampledView(GOLDEN)
    monkeypatch.setattr("mstool.validators.sampling.SAMPLED_EPISODES", 1)
    assert {row.index for row in data.pictured} <= {rows.episode for rows in data.sample}


def film(colour, episode):
    picture = np.full((SMALL, SMALL, 3), 90, np.uint8)
    picture[:8, :8] = colour
    return Clip(episode, np.stack([picture] * 2), (picture,), (0,))


GREEN, RED, BLUE = (10, 240, 10), (200, 20, 20), (20, 20, 200)


def no_tracks(context):
    raise Skip("only images")


@pytest.mark.parametrize(("picks", "status"), [(GREEN, "passed"), (BLUE, "failed")])
@pytest.mark.parametrize("recorded", [True, False])
def test_the_goal_is_sought_where_it_is_hidden(monkeypatch, picks, status, recorded):
    tasks = ["PickCube-v1"] * 2 + ["StackCube-v1"] * 6
    data = view_of(tasks, recorded)
    sentence = "pick up the red cube and move it to the green sphere"
    data.__dict__["episodes"] = [
        EpisodeRow(i, 50, (sentence if "Pick" in task else "stack the red cube on the green cube",), {}, None)
        for i, task in enumerate(tasks)
    ]
    films = [film(picks if "Pick" in task else RED, i) for i, task in enumerate(tasks)]
    monkeypatch.setattr(meaning_goal, "seen", lambda context: {"base": films})
    monkeypatch.setattr(meaning_goal, "tracks", no_tracks)
    result = run_check(meaning_goal.HiddenGoal(), Context(data, get_target("maniskill")))
    assert result.status == status
    assert any("2 episodes" in note.text for note in result.notes)


def test_a_goal_hidden_in_one_task_is_found_beside_green_things_of_others(monkeypatch):
    data = view_of(["PickCube-v1"] * 2 + ["StackCube-v1"] * 6)
    films = [film(BLUE if i < 2 else GREEN, i) for i in range(8)]
    monkeypatch.setattr(meaning_goal, "seen", lambda context: {"base": films})
    monkeypatch.setattr(meaning_goal, "tracks", no_tracks)
    assert run_check(meaning_goal.HiddenGoal(), Context(data, get_target("maniskill"))).status == "failed"


def test_colours_are_those_of_the_episodes_own_instruction(monkeypatch):
    data = view_of(["Stack", "Push", "Push"])
    words = ["stack the red cube", "push the cube", "push the cube"]
    data.__dict__["episodes"] = [EpisodeRow(i, 50, (task,), {}, None) for i, task in enumerate(words)]
    data.__dict__["tasks"] = list(enumerate(dict.fromkeys(words)))
    data.__dict__["features"] = {"base": {"dtype": "video", "shape": [SMALL, SMALL, 3]}}
    green_arm = [film((20, 60, 20), 0), film(BLUE, 1), film(BLUE, 2)]
    monkeypatch.setattr(video_pictures, "seen", lambda context: {"base": green_arm})
    context = Context(data, get_target("maniskill"))
    assert run_check(video_pictures.ChannelOrder(), context).status == "passed"
    monkeypatch.setattr(video_pictures, "seen", lambda context: {"base": [film(BLUE, 0)]})
    assert run_check(video_pictures.ChannelOrder(), context).status == "warned"


def test_a_gain_left_of_two_that_cancel_has_no_sign():
    rng = np.random.default_rng(0)
    command = rng.normal(size=4000)
    now, before = command[1:], command[:-1]
    shaken = fit(np.stack([now, before], axis=1), -0.53 * now + 0.51 * before + rng.normal(0, 0.02, now.size))
    assert shaken.r2 > 0.3
    assert abs(shaken.gain) > 4 * shaken.gain_error
    assert not shaken.certain_sign
    steered = fit(np.stack([now, before], axis=1), -0.32 * now - 0.06 * before + rng.normal(0, 0.02, now.size))
    assert steered.certain_sign


def walk(rng, steps=60):
    """Return smooth commands, (steps, 6) m and rad."""
    knots = rng.normal(size=(8, 6))
    at = np.linspace(0, 7, steps)
    return np.stack([np.interp(at, range(8), knots[:, axis]) for axis in range(6)], axis=1) * 0.01


def track(episode, commanded, moved):
    position = np.concatenate([np.zeros((1, 3)), np.cumsum(moved[:, :3], axis=0)])
    state = np.concatenate([position, np.zeros((len(position), 5))], axis=1)
    return Track(episode, state, np.zeros((len(position), 7)), position, moved, commanded, None, np.ones(len(position)))


def follow(commanded):
    """Return what an arm does that lags by half a frame."""
    return 0.2 * commanded + 0.2 * np.concatenate([commanded[:1], commanded[:-1]])


def test_an_episode_that_pressed_on_the_table_is_told_from_one_with_anothers_actions(monkeypatch):
    rng = np.random.default_rng(0)
    commands = [walk(rng) for _ in range(6)]
    done = [follow(c) for c in commands]
    # The last two thirds of an episode: pushed ever harder, and hardly moving.
    commands[2][20:, :3] *= 8
    done[2][20:] *= 0.4
    found = [track(i, c, m) for i, (c, m) in enumerate(zip(commands, done, strict=True))]
    monkeypatch.setattr(meaning_kind, "tracks", lambda context: (MEANING, found))
    monkeypatch.setattr(meaning_kind, "action_columns", lambda data: ("action",))
    check, context = meaning_kind.EpisodeActions(), Context(view_of(["A-v1"] * 6), get_target("maniskill"))
    assert run_check(check, context).status == "passed"
    found[4] = track(4, commands[5], done[4])
    result = run_check(check, context)
    assert [issue.episode for issue in result.issues] == [4]


def test_an_axis_that_nobody_steers_does_not_make_an_episode_odd(monkeypatch):
    rng = np.random.default_rng(0)
    commands = [walk(rng) for _ in range(6)]
    done = [follow(c) for c in commands]
    for i, moved in enumerate(done):
        moved[:, 3:5] = rng.normal(0, 0.03 if i == 0 else 0.002, size=(len(moved), 2))
    found = [track(i, c, m) for i, (c, m) in enumerate(zip(commands, done, strict=True))]
    monkeypatch.setattr(meaning_kind, "tracks", lambda context: (MEANING, found))
    context = Context(view_of(["A-v1"] * 6), get_target("maniskill"))
    assert run_check(meaning_kind.EpisodeActions(), context).status == "passed"


def filmed(episode, positions, projection):
    """Film a patterned patch that moves as the projection (2, 3), pixels per metre, says."""
    right, down = np.meshgrid(np.arange(96.0), np.arange(96.0))
    pictures = []
    for u, v in positions @ projection.T:
        wave = np.sin((right - u) / 5) + np.sin((down - v) / 6) + np.sin((right - u + down - v) / 7)
        pictures.append(np.repeat((127 + 40 * wave)[..., None], 3, axis=-1).round().astype(np.uint8))
    return Clip(episode, np.stack(pictures), tuple(pictures[::20]), tuple(range(0, len(pictures), 20)))


def test_tasks_whose_hands_move_otherwise_in_the_picture_are_not_mixed(monkeypatch):
    rng = np.random.default_rng(0)
    tasks = ["A-v1"] * 6 + ["B-v1"] * 3
    first = np.array([[90.0, 10, 0], [0, 20, -80]])
    projections = [first if task == "A-v1" else -0.8 * first for task in tasks]
    moves = [track(i, c, c) for i, c in enumerate(walk(rng) for _ in tasks)]
    films = [filmed(i, t.position, p) for i, (t, p) in enumerate(zip(moves, projections, strict=True))]
    monkeypatch.setattr(video_rows, "seen", lambda context: {"image": films})
    monkeypatch.setattr(video_rows, "tracks", lambda context: (MEANING, moves))
    check, context = video_rows.PicturesOfTheirRows(), Context(view_of(tasks), get_target("maniskill"))
    result = run_check(check, context)
    assert result.status == "passed", (result.reason, result.issues)
    moves[1], moves[7] = (track(e, moves[o].commanded, moves[o].moved) for e, o in ((1, 7), (7, 1)))
    assert {issue.episode for issue in run_check(check, context).issues} == {1, 7}


LIBERO_RECORD = Record(env_ids=["libero_spatial/0"], benchmarks={"LIBERO": dict(Libero.conventions)})
BOTH_RECORD = replace(LIBERO_RECORD, maniskill={"images": "as rendered"})


@pytest.mark.parametrize(
    ("odd", "status", "record"),
    [
        (1, "skipped", None), (3, "warned", None), (0, "passed", None),
        # LIBERO's are mirrored by convention.
        (3, "passed", LIBERO_RECORD), (3, "warned", BOTH_RECORD),
    ],
)  # fmt: skip
def test_a_view_is_not_called_mirrored_by_one_episode_alone(monkeypatch, odd, status, record):
    rng = np.random.default_rng(0)
    upright = np.array([[0.0, 60, 0], [30, 0, -60]])
    steps = [walk(rng) * (2.5 if i < odd else 1) for i in range(3)]
    moves = [track(i, commanded, commanded) for i, commanded in enumerate(steps)]
    views = [upright * ([[-1], [1]] if i < odd else 1) for i in range(3)]
    films = [filmed(t.episode, t.position, view) for t, view in zip(moves, views, strict=True)]
    monkeypatch.setattr(video_upright, "tracks", lambda context: (MEANING, moves))
    monkeypatch.setattr(video_upright, "seen", lambda context: {"image": films})
    data = view_of(["A-v1"] * 3)
    if record:
        data.__dict__["record"] = record
    result = run_check(video_upright.Upright(), Context(data, get_target("maniskill")))
    assert result.status == status, (result.notes, result.reason)


def test_a_dataset_of_two_tasks_is_valid(tmp_path):
    """The golden dataset with half of its episodes recorded as of a task that hides nothing."""
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN, root)
    lines = [json.loads(line) for line in (root / EPISODE_LOG_FILE).read_text().splitlines()]
    for line in lines[::2]:
        line["env_id"] = "StackCube-v1"
    (root / EPISODE_LOG_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    info = json.loads((root / "meta/info.json").read_text())
    info["mstool"]["env_ids"] = ["PickCube-v1", "StackCube-v1"]
    (root / "meta/info.json").write_text(json.dumps(info))
    report = validate(root, "maniskill")
    assert report.valid, report.codes("failed")
