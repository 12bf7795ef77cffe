"""What a checkpoint keeps of a run beside networks and rows, and how a run goes on from it."""

from typing import Any

from mstool.errors import UsageError
from mstool.improvement.course import Course
from mstool.improvement.learner import Learner
from mstool.improvement.prepare import Prepared
from mstool.improvement.saving import load_rows, read_state
from mstool.improvement.schedule import Schedule

# What a run that goes on cannot change.
_FIXED = ("method", "replan", "batch_size", "lr", "alpha", "gamma", "seed", "updates", "critic_episodes")


def kept(prepared: Prepared, learner: Learner, course: Course, schedule: Schedule) -> dict[str, Any]:
    """Return plain data that decides how the run goes on."""
    return {
        "points": course.points,
        "lines": course.lines,
        "failures": course.failures.waiting,
        "updates": learner.updates,
        "demo_updates": learner.demo_updates,
        "seconds": schedule.seconds,
        "encoded": schedule.encoded,
        "asked": _asked(prepared),
    }


def go_on(prepared: Prepared, learner: Learner, course: Course) -> Schedule:
    """Put a run back to where its last checkpoint left it.

    Raises
    ------
    UsageError
        It began with other options.

    """
    state = read_state(prepared.output, learner.method.device)
    began = state["asked"]
    changed = [name for name, value in _asked(prepared).items() if began.get(name) != value]
    if changed:
        words = ", ".join("--" + name.replace("_", "-") for name in changed)
        before = ", ".join(f"{name} {_word(began.get(name))}" for name in changed)
        raise UsageError(
            f"--resume goes on as the run began: {words} cannot change (it was {before})",
            fix=prepared.options.command(**{name: began.get(name) for name in changed}),
        )
    learner.method.load(state["method"])
    load_rows(prepared.output, learner.own, state["added"])
    course.points, course.lines = state["points"], state["lines"]
    course.failures.waiting = list(state["failures"])
    learner.updates, learner.demo_updates = state["updates"], state["demo_updates"]
    return Schedule(prepared.options, state["seconds"], state["encoded"])


def _asked(prepared: Prepared) -> dict[str, Any]:
    return {**{name: getattr(prepared.options, name) for name in _FIXED}, "env": prepared.envs}


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
