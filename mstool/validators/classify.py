"""What a state and actions are by their numbers alone."""

import numpy as np

from mstool.contract import Array
from mstool.layouts.facts import StateKind
from mstool.robots import ROBOTS
from mstool.validators.kinematics import share_within_limits


def classify_state(state: Array) -> StateKind | None:
    """Tell joints from end effector poses by their numbers, (T, S); None where neither fits."""
    state = state[np.isfinite(state).all(axis=1)]
    if not len(state) or state.shape[1] < 7:
        return None
    norms = np.linalg.norm(state[:, 3:7], axis=1)
    if np.abs(norms - 1).max() < 0.02:
        return "eef_quaternion"
    # Joint 4 of a Panda is always below -0.07 and joint 6 above -0.02: an end effector's rotation is not.
    if any(share_within_limits(robot, state[:, : len(robot.joints)]) > 0.98 for robot in ROBOTS if robot.joints):
        return "joints"
    near = np.abs(state[:, :3]).max() < 3 and np.linalg.norm(state[:, 3:6], axis=1).max() < 2 * np.pi + 0.1
    return "eef_axis_angle" if near else None


def contradicts(expected: StateKind, state: Array) -> StateKind | None:
    """Return what the state (T, S) is instead, where its numbers cannot be `expected`; None where they can.

    Joints can be told from poses, and a unit quaternion from an axis-angle; the reverse may be a mistake of size only.
    """
    kind = classify_state(state)
    if kind is None or kind == expected:
        return None
    if "joints" in {kind, expected} or kind == "eef_quaternion":
        return kind
    return None


def is_absolute(actions: Array, state: Array) -> bool:
    """Whether actions (T, D) are absolute targets of the state (T, D): they trail it, or are tied to it.

    Targets in the state's own frame trail it: var(a - s) is small against var(s). Targets in another frame or unit
    correlate with it.
    """
    fine = np.isfinite(state).all(axis=1) & np.isfinite(actions).all(axis=1)
    state, actions = state[fine], actions[fine]
    moves = state.std(axis=0) > 1e-4 if len(state) else np.zeros(state.shape[1], bool)
    if not moves.any():
        return False
    gap = (actions - state).std(axis=0)[moves] / state.std(axis=0)[moves]
    if np.median(gap) < 0.25:
        return True
    both = (state.std(axis=0) > 1e-3) & (actions.std(axis=0) > 1e-9)
    pairs = zip(actions[:, both].T, state[:, both].T, strict=True)
    return bool(both.any() and min(abs(np.corrcoef(a, s)[0, 1]) for a, s in pairs) > 0.98)
