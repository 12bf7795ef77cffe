"""No advice from a guess: right data of other conventions, undeclared, fail nothing; what is not clear is skipped."""

import shutil

import numpy as np
import pytest
from support.edited import DATA, GOLDEN, edit_info, edit_table, undeclare

from mstool.validators import validate

ASKED = ("MS404", "MS412", "MS501", "MS502", "MS503", "MS504", "MS505", "MS507", "MS509")


def next_state(columns):
    """Absolute targets: where the arm is in the next frame."""
    state, actions = columns["observation.state"], columns["action"]
    arm = actions.shape[1] - 1
    actions[:-1, :arm] = state[1:, :arm]
    actions[-1, :arm] = state[-1, :arm]


def degrees(columns):
    next_state(columns)
    for name in ("observation.state", "action"):
        columns[name][:, :-1] *= 57.2958


def another_frame(columns):
    actions = columns["action"]
    actions[:, [0, 1]] = np.stack([-actions[:, 1], actions[:, 0]], axis=1)


def targets_in_noise(columns):
    next_state(columns)
    arm = columns["action"][:, :-1]
    arm += np.random.default_rng(1).normal(0, 0.5, arm.shape) * arm.std(axis=0)


def shuffled(columns):
    columns["action"][:] = columns["action"][np.random.default_rng(0).permutation(len(columns["action"]))]


def ur5(columns):
    """Six joints that are no Panda's, and their targets."""
    columns["observation.state"][:, :6] = columns["observation.state"][:, :6] * 0.5 + [0, -1.6, 1.6, -1.6, -1.6, 0.2]
    next_state(columns)


def undeclared(tmp_path, base, change, word="state"):
    root = shutil.copytree(GOLDEN / base, tmp_path / "dataset")
    undeclare(root)
    edit_table(root / DATA, change)
    if word != "state":
        features = ("observation.state", "action")
        edit_info(root, lambda i: [i["features"][f].update(names=[f"{word}_{n}" for n in range(8)]) for f in features])
    return validate(root, select=ASKED)


@pytest.mark.parametrize(
    ("base", "change", "word"),
    [
        ("joint", next_state, "joint"),
        ("joint", ur5, "joint"),
        ("joint", degrees, "motor"),
        ("libero", next_state, "state"),
        ("libero", another_frame, "state"),
        ("libero", targets_in_noise, "state"),
        ("libero", shuffled, "state"),
    ],
)
def test_what_nothing_declares_fails_nothing(tmp_path, base, change, word):
    report = undeclared(tmp_path, base, change, word)
    assert report.codes("failed", "warned", "error") == set(), report.headline()


@pytest.mark.parametrize("change", [another_frame, targets_in_noise, shuffled])
def test_commands_that_do_not_explain_the_motion_decide_nothing_and_say_what_would(tmp_path, change):
    report = undeclared(tmp_path, "libero", change)
    told = {r.code: r.reason for r in report.results}
    for code in ("MS501", "MS503", "MS505"):
        assert "too little to be sure" in told[code]
        assert "mstool describe" in told[code]
