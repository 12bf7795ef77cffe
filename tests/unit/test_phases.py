"""In which phase an episode failed, on fingers and commands as ManiSkill's Panda has them (layout libero)."""

from dataclasses import replace

import numpy as np
import pytest

from mstool.evaluation.outcomes import Outcome
from mstool.evaluation.phases import counted, in_words, phase_of_failure, stands_still
from mstool.evaluation.results import TaskResult
from mstool.layouts import get_layout

LAYOUT, MODE = get_layout("libero"), "pd_ee_delta_pose"
OPEN_M, CUBE_M = 0.08, 0.04
CLOSES = [0.08, 0.07, 0.055, 0.04]


def episode(*spans):
    """Return states and actions of (told to close, distances between the fingers after each step) one after another."""
    opening = [OPEN_M, *(distance for _, distances in spans for distance in distances)]
    told = [closed for closed, distances in spans for _ in distances]
    states, actions = np.zeros((len(opening), 8), np.float32), np.zeros((len(told), 7), np.float32)
    states[:, 6], states[:, 7] = np.array(opening) / 2, -np.array(opening) / 2
    gripper = LAYOUT.action_facts(MODE).gripper
    actions[:, gripper.dimension] = [gripper.closed if closed else gripper.open for closed in told]
    return states, actions


def phase(*spans, solved_once=False):
    return phase_of_failure(*episode(*spans), LAYOUT, MODE, solved_once=solved_once)


REACHES = (False, [OPEN_M] * 20)
HOLDS = (True, [*CLOSES, *[CUBE_M] * 10])
EMPTY = (True, [*CLOSES, 0.02, *[0.0005] * 10])
LETS_GO = (False, [0.05, 0.07, *[OPEN_M] * 5])


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ((REACHES,), "reach"),
        ((REACHES, (True, CLOSES[:2])), "reach"),  # it ended on the way
        ((REACHES, EMPTY), "grasp"),
        ((REACHES, HOLDS), "transport"),
        ((REACHES, HOLDS, (True, [0.03, 0.01, *[0.0005] * 10])), "drop"),
        ((REACHES, HOLDS, LETS_GO), "place"),
        ((REACHES, EMPTY, LETS_GO, HOLDS), "transport"),
        ((REACHES, HOLDS, LETS_GO, EMPTY), "place"),
    ],
)
def test_the_phase_is_that_of_the_last_thing_held(spans, expected):
    assert phase(*spans) == expected


def test_a_task_that_was_solved_fails_by_not_holding():
    assert phase(REACHES, HOLDS, solved_once=True) == "hold"


def test_fingers_that_are_always_closed_tell_nothing():
    assert phase((True, [*CLOSES, 0.02, *[0.0] * 20])) == ""


def test_fingers_that_turn_round_hold_nothing():
    assert phase(*[(True, [0.07, 0.06, 0.06]), (False, [0.07, OPEN_M])] * 5) == "reach"


def test_a_layout_without_fingers_tells_nothing():
    assert phase_of_failure(*episode(REACHES), get_layout("native"), MODE, solved_once=False) == ""


def test_words_follow_the_phases_order():
    found = counted(["hold", "grasp", "", "grasp", "reach"])
    assert list(found) == ["reach", "grasp", "hold"]
    said = in_words(found, 10)
    assert said.startswith("4 of 10 failed: 1 before the fingers closed (reach), 2 closed them on nothing")


def test_a_robot_stands_still_where_every_joint_rests():
    moving = np.linspace(0, 1, 60)[:, None] * np.ones(9)
    rests = np.concatenate([moving, np.repeat(moving[-1:], 40, axis=0)])
    assert stands_still(rests, 40)
    assert not stands_still(rests, 45)
    assert not stands_still(moving, 40)
    # It has not run for so long.
    assert not stands_still(rests[-40:], 40)
    one = rests.copy()
    one[-20:, 8] += 0.02
    assert not stands_still(one, 40)


def test_failures_that_stood_still_are_told_with_what_may_take_them_on():
    ended = [
        Outcome("PickCube-v1", seed, solved, solved, 80, None, 1.0, phase=phase, stalled=stalled)
        for seed, (solved, phase, stalled) in enumerate(
            [(True, "", False), (False, "reach", True), (False, "grasp", False), (False, "reach", True)]
        )
    ]
    task = TaskResult("PickCube-v1", "pick", 80, trained=True, outcomes=ended)
    rest = "; 2 stood still in the last two seconds: a longer --replan may take them on"
    assert task.failures().endswith("(grasp)" + rest)
    assert task.to_json()["stalled"] == 2
    # Of a task whose fingers tell nothing.
    pushed = TaskResult("P", "", 80, trained=True, outcomes=[replace(outcome, phase="") for outcome in ended])
    assert pushed.failures() == "P: 3 of 4 failed" + rest
    assert replace(pushed, outcomes=ended[:1]).failures() == ""
