"""The robot's motion beside what was commanded, in physical units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import Unavailable
from mstool.dataset.vectors import actions_of, state_of
from mstool.layouts.rotations import quat_multiply, quat_to_axis_angle
from mstool.validators.axes import AxisKind, axes_of
from mstool.validators.check import Context, Skip
from mstool.validators.classify import contradicts
from mstool.validators.kinematics import share_within_limits
from mstool.validators.meanings import SETTLE, Meaning, meaning_of
from mstool.validators.poses import WXYZ, hand_pose, quaternion_order
from mstool.validators.sampling import SampledView


@dataclass(frozen=True)
class Track:
    """One episode: T frames, T - 1 steps between them."""

    episode: int
    state: Array
    actions: Array
    # Tool centre point (T, 3) m.
    position: Array
    # Change from frame t to t + 1, (T - 1, A), and the command of frame t for it, (T - 1, A): m and rad.
    moved: Array
    commanded: Array
    # Distance between the fingers (T,) m, None where the state does not hold it.
    opening: Array | None
    # Commanded opening (T,): 0 closed .. 1 open.
    wanted_opening: Array


WORDS = {
    "eef_axis_angle": "an end effector position and axis-angle",
    "eef_quaternion": "an end effector position and quaternion",
    "joints": "seven joint positions",
    "ee_delta": "end effector deltas",
    "joint_delta": "joint deltas",
    "joint_position": "joint targets",
}
# Share of the motion that commands of the frames around it explain where state and actions belong together: 0.92 and
# more on conversions of six tasks. PickCube's deltas about another vertical axis (90 degrees) explain 0.36, its
# targets in noise 0.18, shuffled frames 0.02: half of the way between.
_TOGETHER = 0.65
# A target stays where it moves less than this multiple of what the hand does. Away from such a target goes 0.00 to 0.07
# of the motion, in squares, of axes that are steered, and 0.33 to 0.81 of rotations of hands that press on a table or a
# cube; 0.27 at most where signs or units are wrong (six tasks, factors -5 to 5).
_STAYS, _PUSHED = 0.5, 0.3
# Fingers do not open wider than this, m: a larger number is a share of something. Closer than that they are closed.
_WIDEST_M, _CLOSED_M = 0.2, 2e-3
_cache: WeakKeyDictionary[SampledView, dict[str, list[Track]]] = WeakKeyDictionary()


def tracks(context: Context) -> tuple[Meaning, list[Track]]:
    """Return the meaning and the sampled episodes' tracks; episodes with NaN are left out.

    Raises
    ------
    Skip
        The meaning is unknown, or told by numbers alone and the commands do not explain the motion.
    Unavailable
        Columns cannot be read, or are too narrow for the meaning.

    """
    meaning = as_it_is(context, meaning_of(context))
    kept = _cache.setdefault(context.data, {})
    key = repr(meaning)
    if key not in kept:
        found = []
        order = quaternion_order(context, meaning) if meaning.state == "eef_quaternion" else WXYZ
        for rows in context.data.sample:
            state, actions = state_of(context.data, rows), actions_of(context.data, rows)
            need_width(meaning, state, actions)
            if len(state) > 2 and np.isfinite(state).all() and np.isfinite(actions).all():
                found.append(_track(rows.episode, state, actions, meaning, order))
        kept[key] = found
    if meaning.source == "numbers":
        _need_explained(meaning, kept[key])
    return meaning, kept[key]


def _need_explained(meaning: Meaning, found: list[Track]) -> None:
    """Skip where only numbers say what state and actions are, and these do not move together as such would."""
    every = axes_of(meaning)
    axes = [axis for axis in moving_axes(meaning, found) if every[axis].kind is not AxisKind.ROTATION]
    share = explained_share(found, axes, range(-2, 3), absolute=meaning.action == "joint_position")
    if share < _TOGETHER:
        taken = f"{WORDS[meaning.state]} and {WORDS[meaning.action]}"
        raise Skip(
            f"nothing declares what state and actions mean; taken for {taken}, the commands explain {share:.0%} of the "
            f"motion: too little to be sure; {SETTLE}"
        )


def as_it_is(context: Context, meaning: Meaning) -> Meaning:
    """Take the state for what its numbers are: what is wrong with it is MS506's, the actions still want checking."""
    state = np.concatenate([state_of(context.data, rows) for rows in context.data.sample])
    kind = contradicts(meaning.state, state)
    if kind and meaning.state == "joints":
        # Numbers beyond a robot's limits may be joints of another order or unit as well as a pose.
        raise Unavailable(
            f"the state is not a {meaning.robot.name}'s joints (MS410, MS506): where its hand is cannot be computed"
        )
    if kind:
        meaning = replace(meaning, state=kind, layout="")
    arm = len(meaning.robot.joints)
    if meaning.state == "joints" and state.shape[1] >= arm and share_within_limits(meaning.robot, state[:, :arm]) < 0.9:
        raise Unavailable(
            f"the joints are not those of a {meaning.robot.name} (MS410): where its hand is cannot be computed"
        )
    return meaning


def need_width(meaning: Meaning, state: Array, actions: Array) -> None:
    """Raise Unavailable where a vector is too narrow for what it should hold."""
    need_state = 8 if meaning.state == "eef_quaternion" else 7
    if state.shape[1] < need_state or actions.shape[1] <= meaning.gripper:
        raise Unavailable(
            f"state has {state.shape[1]} and actions {actions.shape[1]} dimensions, too few for {meaning.state} "
            f"and {meaning.action}"
        )


def _track(episode: int, state: Array, actions: Array, meaning: Meaning, order: list[int]) -> Track:
    position, quat = hand_pose(state, meaning, order)
    if meaning.action == "ee_delta":
        turn = quat_to_axis_angle(quat_multiply(quat[1:], quat[:-1] * [1, -1, -1, -1]))
        moved = np.concatenate([np.diff(position, axis=0), turn], axis=1)
        units = np.array([meaning.position_unit] * 3 + [meaning.rotation_unit] * 3)
        commanded = actions[:-1, :6] * units
    else:
        arm = len(meaning.robot.joints)
        moved = np.diff(state[:, :arm], axis=0)
        commanded = actions[:-1, :arm] * meaning.joint_unit
        if meaning.action == "joint_position":
            commanded = actions[:-1, :arm] - state[:-1, :arm]
    command = actions[:, meaning.gripper]
    wanted = (command - meaning.gripper_closed) / (meaning.gripper_open - meaning.gripper_closed)
    return Track(episode, state, actions, position, moved, commanded, _opening(state, meaning), wanted)


def _opening(state: Array, meaning: Meaning) -> Array | None:
    fingers = meaning.fingers(state.shape[1])
    if fingers is None:
        return None
    opening = fingers.opening(state)
    # Where no layout says so, a number is a length only if it can be one: a share may be open or closed at 1.
    return None if not meaning.layout and np.abs(opening).max() > _WIDEST_M else opening


def moving_axes(meaning: Meaning, found: list[Track]) -> list[int]:
    """Return the axes that move enough to tell something."""
    if not found:
        return []
    size = np.sqrt(np.mean(np.concatenate([track.moved for track in found]) ** 2, axis=0))
    return [i for i, axis in enumerate(axes_of(meaning)) if size[i] > axis.still]


def resting_fingers(context: Context) -> tuple[set[int], set[int]]:
    """Return which dimensions of the state are fingers, and in which episodes these are where they are told to be."""
    try:
        meaning, found = tracks(context)
    except (Skip, Unavailable):
        return set(), set()
    known = [t for t in found if t.opening is not None]
    fingers = meaning.fingers(known[0].state.shape[1]) if known else None
    if fingers is None:
        return set(), set()
    half = max(_CLOSED_M, max(float(t.opening.max()) for t in known if t.opening is not None) / 2)
    there = {
        t.episode for t in known if t.opening is not None and ((t.opening > half) == (t.wanted_opening > 0.5)).all()
    }
    return set(fingers.ranges), there


def always_resting(context: Context) -> set[int]:
    """Return the dimensions of the state that are fingers, where these rest as they are told in every episode."""
    fingers, rest = resting_fingers(context)
    return fingers if rest >= {rows.episode for rows in context.data.sample} else set()


def is_pushed(found: list[Track], axis: int) -> bool:
    """Say whether an axis' motion is largely away from where its commands keep the hand, by what that presses on.

    The target is the state with the command added. Where it stays while the hand goes away from it, the command grows
    by as much as the hand was moved the other way: an answer to what pushed it, and no cause of the motion.
    """
    pushed = total = 0.0
    for track in found:
        moved, command = track.moved[:-1, axis], track.commanded[:-1, axis]
        target_moved = moved + np.diff(track.commanded[:, axis])
        away = (np.abs(target_moved) < _STAYS * np.abs(moved)) & (moved * command < 0)
        pushed += float((moved[away] ** 2).sum())
        total += float((moved[command != 0] ** 2).sum())
    return pushed > _PUSHED * total


def explained_share(found: list[Track], axes: list[int], lags: Sequence[int], *, absolute: bool = False) -> float:
    """Share of motion, each axis scaled to one, that commands `lags` frames before explain; `absolute`: as targets."""
    left = total = 0.0
    for axis in axes:
        y, x = [], []
        for track in found:
            rows = np.arange(5, len(track.moved) - 5)
            if len(rows) > 2:
                y.append(track.moved[rows, axis])
                inputs = [track.commanded[rows - lag, axis] for lag in lags]
                if absolute:
                    inputs = [track.actions[rows - lag, axis] - track.state[rows, axis] for lag in lags]
                x.append(np.stack(inputs, axis=1))
        if not y:
            continue
        values, regressors = np.concatenate(y), np.concatenate(x)
        coefficients = np.linalg.lstsq(regressors, values, rcond=None)[0]
        square = float((values**2).sum())
        if square > 0:
            left += float(((values - regressors @ coefficients) ** 2).sum()) / square
            total += 1
    return 1 - left / total if total else 0.0
