"""In which phase an episode failed, from the fingers and what they were told: the same for every task with a gripper.

reach      the fingers never closed
grasp      they closed on nothing
drop       they held something, which slipped out
transport  they still held something at the end
place      they had let go of it, and the task was not solved
hold       the task was solved, and at the end no longer
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mstool.contract import Array
from mstool.layouts import Layout

PHASES = {
    "reach": "before the fingers closed",
    "grasp": "closed them on nothing",
    "drop": "lost what they held",
    "transport": "still held something at the end",
    "place": "had let go of what they held",
    "hold": "had solved it, and not stayed",
}
# Fingers that are told to close have stopped when they move less than this within a step, m: both together.
_STILL_M = 5e-4
# For so many steps: fingers that turn round stand still for one.
_LASTS = 3
# Nothing is between fingers that are closer than this, and they have not closed when they are further apart than this
# share of their widest, m.
_EMPTY_M, _OPEN = 2e-3, 0.97
# A robot rests whose joints move less than this, rad and m.
_RESTS = 0.01


def phase_of_failure(states: Array, actions: Array, layout: Layout, control_mode: str, *, solved_once: bool) -> str:
    """Return the phase in which an episode that was not solved at its end failed; "" where fingers tell nothing.

    Parameters
    ----------
    states, actions
        What happened, in the layout: (T + 1, S) and (T, D).
    layout, control_mode
        What these mean.
    solved_once
        Whether the task was solved on the way.

    """
    if solved_once:
        return "hold"
    if layout.fingers is None or not len(actions):
        return ""
    gripper = layout.action_facts(control_mode).gripper
    told = actions[:, gripper.dimension]
    closing = np.abs(told - gripper.closed) < np.abs(told - gripper.open)
    opening = layout.fingers.opening(states.astype(np.float64))
    if closing.all():  # it is not used, as in tasks that push
        return ""
    stopped = closing & (np.abs(np.diff(opening)) < _STILL_M) & (opening[1:] < _OPEN * opening.max())
    stopped = _lasting(stopped)
    held = np.flatnonzero(stopped & (opening[1:] > _EMPTY_M))
    if not len(held):
        return "grasp" if stopped.any() else "reach"
    after = slice(int(held[-1]) + 1, None)
    if not closing[after].all():
        return "place"
    return "drop" if (opening[1:][after] <= _EMPTY_M).any() else "transport"


def _lasting(flags: Array) -> Array:
    """Return where flags (T,) have been set for `_LASTS` steps."""
    return np.convolve(flags, np.ones(_LASTS, int))[: len(flags)] == _LASTS


def stands_still(qpos: Array, steps: int) -> bool:
    """Tell whether a robot's joints (T + 1, J), rad and m, rest for the last `steps` steps.

    A policy without memory that looks again while its chunk still comes to rest, as demos do where fingers close, plans
    the same rest again.
    """
    return len(qpos) > steps and bool(np.ptp(qpos[-steps - 1 :], axis=0).max() < _RESTS)


def in_words(phases: Mapping[str, int], episodes: int, failed: int | None = None) -> str:
    """Say how many episodes failed in which phase: `2 of 10 failed: 1 closed them on nothing (grasp), ...`.

    `failed` counts those too of which no phase is known; None: there are none.
    """
    told = ", ".join(f"{count} {PHASES[phase]} ({phase})" for phase, count in phases.items())
    said = f"{sum(phases.values()) if failed is None else failed} of {episodes} failed"
    return f"{said}: {told}" if told else said


def counted(phases: Sequence[str]) -> dict[str, int]:
    """Return how many failed in each phase, in the order in which phases follow each other."""
    return {phase: phases.count(phase) for phase in PHASES if phase in phases}
