"""The robot's motion beside what was commanded, in physical units."""

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np

from mstool.contract import Array
from mstool.layouts.rotations import axis_angle_to_quat, quat_multiply, quat_to_axis_angle
from mstool.validators.check import Context
from mstool.validators.data import DatasetView
from mstool.validators.files import Unavailable
from mstool.validators.kinematics import panda_tcp, within_panda_limits
from mstool.validators.meanings import FINGER_OPEN_M, Meaning, contradicts, meaning_of
from mstool.validators.vectors import actions_of, state_of


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


# Where w, x, y and z are among the four numbers of a quaternion.
WXYZ, XYZW = [0, 1, 2, 3], [3, 0, 1, 2]
AXES = {
    "ee_delta": ("x", "y", "z", "rotation x", "rotation y", "rotation z"),
    "joint_delta": tuple(f"joint {i}" for i in range(1, 8)),
    "joint_position": tuple(f"joint {i}" for i in range(1, 8)),
}
_cache: WeakKeyDictionary[DatasetView, dict[str, list[Track]]] = WeakKeyDictionary()


def tracks(context: Context) -> tuple[Meaning, list[Track]]:
    """Return the meaning and the sampled episodes' tracks; episodes with NaN are left out.

    Raises
    ------
    Skip
        The meaning is unknown.
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
    return meaning, kept[key]


def as_it_is(context: Context, meaning: Meaning) -> Meaning:
    """Take the state for what its numbers are: what is wrong with it is MS506's, the actions still want checking."""
    state = np.concatenate([state_of(context.data, rows) for rows in context.data.sample])
    kind = contradicts(meaning.state, state)
    if kind and meaning.state == "joints":
        # Numbers beyond a Panda's limits may be joints of another order or unit as well as a pose.
        raise Unavailable("the state is no joints of a Panda (MS410, MS506): where its hand is cannot be computed")
    if kind:
        meaning = replace(meaning, state=kind, layout="")
    if meaning.state == "joints" and state.shape[1] >= 7 and within_panda_limits(state[:, :7]) < 0.9:
        raise Unavailable("the joints are not those of a Panda (MS410): where its hand is cannot be computed")
    return meaning


def quaternion_order(context: Context, meaning: Meaning) -> list[int]:
    """Return the dimensions of w, x, y, z within the quaternion, as the data tells.

    What turns are commanded decides; where they do not tell, that a gripper works from above: its z axis points down.
    """
    states = [state_of(context.data, rows) for rows in context.data.sample]
    commands = [actions_of(context.data, rows) for rows in context.data.sample]
    usable = [(s, a) for s, a in zip(states, commands, strict=True) if np.isfinite(s).all() and np.isfinite(a).all()]
    if not usable:
        return WXYZ
    agree, down = {}, {}
    for name, order in (("wxyz", WXYZ), ("xyzw", XYZW)):
        quats = [s[:, 3:7][:, order] for s, _ in usable]
        turns = np.concatenate([quat_to_axis_angle(quat_multiply(q[1:], q[:-1] * [1, -1, -1, -1])) for q in quats])
        wanted = np.concatenate([a[:-1, 3:6] for _, a in usable])
        agree[name] = _agreement(turns, wanted) if meaning.action == "ee_delta" else 0.0
        _, x, y, _ = np.concatenate(quats).T
        # z component of the tool's own z axis in the world.
        down[name] = float(np.median(1 - 2 * (x**2 + y**2)))
    by_turn = agree["xyzw"] > 0.7 and agree["wxyz"] < 0.85 * agree["xyzw"]
    by_axis = down["xyzw"] < -0.7 and down["wxyz"] > 0.7 and agree["wxyz"] <= agree["xyzw"] + 0.05
    return XYZW if by_turn or by_axis else WXYZ


def _agreement(turns: Array, wanted: Array) -> float:
    """Return the greatest of the axes' correlations between what was commanded and turned, whatever the sign."""
    best = 0.0
    for axis in range(3):
        if turns[:, axis].std() > 1e-4 and wanted[:, axis].std() > 1e-3:
            best = max(best, abs(float(np.corrcoef(turns[:, axis], wanted[:, axis])[0, 1])))
    return best


def need_width(meaning: Meaning, state: Array, actions: Array) -> None:
    """Raise Unavailable where a vector is too narrow for what it should hold."""
    need_state = 8 if meaning.state == "eef_quaternion" else 7
    if state.shape[1] < need_state or actions.shape[1] <= meaning.gripper:
        raise Unavailable(
            f"state has {state.shape[1]} and actions {actions.shape[1]} dimensions, too few for {meaning.state} "
            f"and {meaning.action}"
        )


def _track(episode: int, state: Array, actions: Array, meaning: Meaning, order: list[int]) -> Track:
    position, quat = _pose(state, meaning, order)
    if meaning.action == "ee_delta":
        turn = quat_to_axis_angle(quat_multiply(quat[1:], quat[:-1] * [1, -1, -1, -1]))
        moved = np.concatenate([np.diff(position, axis=0), turn], axis=1)
        units = np.array([meaning.position_unit] * 3 + [meaning.rotation_unit] * 3)
        commanded = actions[:-1, :6] * units
    else:
        moved = np.diff(state[:, :7], axis=0)
        commanded = actions[:-1, :7] * meaning.joint_unit
        if meaning.action == "joint_position":
            commanded = actions[:-1, :7] - state[:-1, :7]
    command = actions[:, meaning.gripper]
    wanted = (command - meaning.gripper_closed) / (meaning.gripper_open - meaning.gripper_closed)
    return Track(episode, state, actions, position, moved, commanded, _opening(state, meaning), wanted)


def _pose(state: Array, meaning: Meaning, order: list[int]) -> tuple[Array, Array]:
    if meaning.state == "joints":
        position, rotation = panda_tcp(state[:, :7])
        return position, _matrix_to_quat(rotation)
    if meaning.state == "eef_quaternion":
        return state[:, :3], state[:, 3:7][:, order] / np.maximum(
            np.linalg.norm(state[:, 3:7], axis=1, keepdims=True), 1e-9
        )
    return state[:, :3], axis_angle_to_quat(state[:, 3:6])


def _matrix_to_quat(matrix: Array) -> Array:
    # Of the four forms of the same quaternion the one with the largest component is exact (Shepperd, 1978).
    m = matrix
    trace = np.stack(
        [
            1 + m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2],
            1 + m[:, 0, 0] - m[:, 1, 1] - m[:, 2, 2],
            1 - m[:, 0, 0] + m[:, 1, 1] - m[:, 2, 2],
            1 - m[:, 0, 0] - m[:, 1, 1] + m[:, 2, 2],
        ],
        axis=1,
    )
    wx, wy, wz = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    xy, xz, yz = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    forms = np.stack(
        [
            np.stack([trace[:, 0], wx, wy, wz], axis=1),
            np.stack([wx, trace[:, 1], xy, xz], axis=1),
            np.stack([wy, xy, trace[:, 2], yz], axis=1),
            np.stack([wz, xz, yz, trace[:, 3]], axis=1),
        ],
        axis=1,
    )
    best = forms[np.arange(len(m)), trace.argmax(axis=1)]
    result: Array = best / np.linalg.norm(best, axis=1, keepdims=True)
    return result


def _opening(state: Array, meaning: Meaning) -> Array | None:
    width = state.shape[1]
    if meaning.layout == "droid":
        return (1 - state[:, 7]) * 2 * FINGER_OPEN_M if width > 7 else None
    first = 7 if meaning.state in {"joints", "eef_quaternion"} else 6
    if width <= first:
        return None
    if width >= first + 2:
        # Two fingers: of one sign in ManiSkill's qpos, of opposite signs in LIBERO's.
        return np.abs(state[:, first]) + np.abs(state[:, first + 1])
    return 2 * state[:, first]
