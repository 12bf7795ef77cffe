"""What a checkpoint keeps of a run beside networks and rows, and how a run goes on from it."""

from typing import Any

from mstool.improvement.began import asked
from mstool.improvement.course import Course
from mstool.improvement.learner import Learner
from mstool.improvement.prepare import Prepared
from mstool.improvement.saving import load_rows
from mstool.improvement.schedule import Schedule


def kept(prepared: Prepared, learner: Learner, course: Course, schedule: Schedule) -> dict[str, Any]:
    """Return plain data that decides how the run goes on."""
    return {
        "points": course.points,
        "lines": course.lines,
        "updates": learner.updates,
        "demo_updates": learner.demo_updates,
        "seconds": schedule.seconds,
        "encoded": schedule.encoded,
        "asked": asked(prepared.options, prepared.tasks, prepared.first_seed),
    }


def go_on(prepared: Prepared, learner: Learner, course: Course) -> Schedule:
    """Put a run back to where its last checkpoint left it."""
    state = prepared.state
    learner.method.load(state["method"])
    load_rows(prepared.output, learner.own, state["added"])
    course.points, course.lines = state["points"], state["lines"]
    learner.updates, learner.demo_updates = state["updates"], state["demo_updates"]
    return Schedule(prepared.options, state["seconds"], state["encoded"])
