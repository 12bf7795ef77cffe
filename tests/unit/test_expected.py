"""What success a plan says to expect."""

import json
from pathlib import Path

import pytest

from mstool.dataset.conventions import Conventions
from mstool.dataset.record import Record
from mstool.training.expected import MEASURED, expected, is_undertrained

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def found(goal="visible", frames=10_000, samples=512, hold_steps=None, **demos):
    episodes = [{"env_id": f"{name}-v1"} for name, count in demos.items() for _ in range(count)]
    conventions = Conventions("x", 20, {}, Record(goal=goal, hold_steps=hold_steps or {}), episodes)
    return expected(frames, conventions, samples, "base")


def test_each_task_that_was_measured_has_a_line():
    pick, place = found(PickCube=3, PlaceSphere=2, StackPyramid=4)
    assert (pick.measured.env_id, pick.demos) == ("PickCube-v1", 3)
    assert place.row()["demos here"] == "2"


def test_the_goal_in_the_state_is_another_measurement():
    assert found(PickCube=1)[0].measured.once < 0.8
    assert found(goal="state", PickCube=1)[0].measured.once > 0.9
    assert not found(goal="hidden", PickCube=1)


def test_demos_that_hold_are_another_measurement():
    assert found(PlaceSphere=1)[0].measured.at_end < 0.7
    assert found(PlaceSphere=1, hold_steps={"PlaceSphere-v1": 20})[0].measured.at_end > 0.9
    assert found(PushCube=1, hold_steps={"PushCube-v1": 20})[0].measured.hold_steps == 0


@pytest.mark.parametrize(("demos", "once"), [(1, 0.68), (600, 0.68), (900, 0.68), (1000, 0.88), (5000, 0.88)])
def test_of_two_measurements_it_is_that_of_about_as_many_demos(demos, once):
    (stack,) = found(StackCube=demos, hold_steps={"StackCube-v1": 20})
    assert stack.measured.once == once


def test_as_many_epochs_are_so_many_steps():
    (push,) = found(PushCube=200, frames=51_200, samples=512)
    assert push.steps == 100 * push.measured.epochs


@pytest.mark.parametrize(
    ("loss", "epochs", "words", "short"),
    [
        (0.0092, 25, {}, True),  # 74 to 84 % of four tasks
        (0.0117, 43, {}, False),  # PushCube: 95 %
        (0.0204, 36, {}, True),  # StackCube: 44 %
        (0.0092, 3, {"pretrained_path": "runs/six"}, False),
        (0.0092, 3, {"head": "ddpm"}, False),
    ],
)
def test_a_loss_or_a_few_epochs_say_that_training_ended_early(loss, epochs, words, short):
    assert is_undertrained({"type": "flow", "head": "flow", **words}, loss, epochs) == short


def test_a_dataset_without_conventions_has_none():
    assert expected(1, None, 8, "base") == ()


@pytest.mark.parametrize("measured", MEASURED, ids=lambda m: f"{m.env_id} {m.goal}")
def test_what_is_told_was_measured(measured):
    six = json.loads((RESULTS / "flow_six_tasks.json").read_text())
    ten = json.loads((RESULTS / "flow_ten_tasks.json").read_text())
    rates = [
        (task["env_id"], task["success_once"]["rate"], task["success_at_end"]["rate"])
        for group in six for task in group["eval 16"]["tasks"]
    ]  # fmt: skip
    rates += [
        (task["env_id"], task["once"] / task["episodes"], task["at_end"] / task["episodes"])
        for run in ten for policy in run["policies"] for task in policy.get("tasks_done", [])
    ]  # fmt: skip
    assert (measured.env_id, pytest.approx(measured.once), pytest.approx(measured.at_end)) in rates
