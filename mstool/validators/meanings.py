"""What the dimensions of state and actions mean, and who says so.

The record that `mstool convert` wrote comes first, then the names of the dimensions, then what the target reads; where
none of them says anything the numbers are asked. What follows from numbers alone is told, and never held against the
dataset.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import Unavailable
from mstool.dataset.vectors import actions_of, names_of, state_columns, state_of
from mstool.layouts import LAYOUTS
from mstool.layouts.recognise import recognise
from mstool.validators.check import Context, Skip
from mstool.validators.kinematics import within_panda_limits
from mstool.validators.report import Severity

StateKind = Literal["eef_axis_angle", "eef_quaternion", "joints"]
ActionKind = Literal["ee_delta", "joint_delta", "joint_position"]
Source = Literal["record", "names", "target", "numbers"]

# What settles a convention that nothing declares.
RESTORE = "mstool describe DATASET --from ORIGINAL"
SETTLE = f"to settle it: {RESTORE} if mstool made it, else name the dimensions as a layout does (mstool layouts)"

# DROID's velocity unit: 0.2 rad per step at 15 Hz (openpi 15a9616, examples/droid).
DROID_RAD_PER_SECOND = 3.0
FINGER_OPEN_M = 0.04


@dataclass(frozen=True)
class Meaning:
    """The meaning of one dataset's vectors."""

    source: Source
    layout: str
    state: StateKind
    action: ActionKind
    # Physical size of 1.0: metres and radians per step of an end effector, radians per step of a joint.
    position_unit: float = 0.0
    rotation_unit: float = 0.0
    joint_unit: float = 0.0
    # The gripper's command and its dimension, and the values that open and close it.
    gripper: int = -1
    gripper_open: float = 1.0
    gripper_closed: float = -1.0
    # Share of a commanded step that the controller reaches within it, where known.
    gain: float | None = None

    @property
    def severity(self) -> Severity:
        """How grave it is that the numbers contradict a sign, a unit or a range.

        Names tell the layout that a dataset was made in, but neither signs nor units, nor whether it was changed since.
        """
        return "error" if self.source in {"record", "target"} else "warning"

    @property
    def said(self) -> str:
        """Who says so, as the end of a sentence."""
        return {
            "record": "by the record",
            "names": "by the names",
            "target": "for the target",
            "numbers": "by the numbers alone",
        }[self.source]

    @property
    def fix(self) -> str:
        """What to do first where the numbers contradict the meaning; empty where a check's own fix is right."""
        return RESTORE if self.source == "names" else ""

    @property
    def rotation(self) -> slice:
        """Dimensions of the state that hold the rotation."""
        return slice(3, 7) if self.state == "eef_quaternion" else slice(3, 6)


# Names of joints: numbers of another robot's joints can pass for an end effector pose.
_JOINTS = re.compile(r"joint|motor|shoulder|elbow|waist|wrist|qpos")
# Layouts whose dimensions have a meaning that is known here.
_DEFINED = ("libero", "droid", "joint", "tcp")
# Measured on ManiSkill 3.0.1's Panda: pd_ee_delta_pose and pd_joint_delta_pos start each step from where the arm is.
PANDA_GAIN = 0.39
_GAINS = dict.fromkeys(("pd_ee_delta_pose", "pd_joint_delta_pos", "pd_joint_pos"), PANDA_GAIN)


def meaning_of(context: Context) -> Meaning:
    """Decide what the vectors mean.

    The dataset's own declaration comes first: a target that wants something else is reported once, by its own check.

    Raises
    ------
    Skip
        Nothing is declared, the target expects nothing, and the numbers do not tell.

    """
    data, target = context.data, context.target
    layout, mode = data.record.layout, data.record.control_mode
    if layout and layout not in _DEFINED:
        raise Skip(f"the declared layout {layout!r} says nothing about single dimensions")
    if layout in LAYOUTS and mode in LAYOUTS[layout].control_modes:
        return _meaning("record", layout, mode, data.record.controller, data.fps, _GAINS.get(mode))
    named = recognise(data.features)
    wanted = (target.layout.value, target.control_mode)
    if named and (named.layout.name, named.control_mode) != wanted:
        return _meaning("names", named.layout.name, named.control_mode, {}, data.fps, _GAINS.get(named.control_mode))
    if target.layout.value:
        return _meaning("target", *wanted, {}, data.fps, None)
    return _by_numbers(context)


def _meaning(
    source: Source, layout: str, mode: str, facts: Mapping[str, float], fps: float, gain: float | None
) -> Meaning:
    state: StateKind = {"libero": "eef_axis_angle", "tcp": "eef_quaternion"}.get(layout, "joints")  # type: ignore[assignment]
    action: ActionKind = {"pd_ee_delta_pose": "ee_delta", "pd_joint_delta_pos": "joint_delta"}.get(
        mode, "joint_position"
    )  # type: ignore[assignment]
    if layout == "libero":
        units, gripper = (0.05, 0.5, 0.0), (-1.0, 1.0)
    elif layout == "droid":
        units, gripper = (0.0, 0.0, DROID_RAD_PER_SECOND / fps), (0.0, 1.0)
    else:
        units = (
            float(facts.get("position_m") or 0.1),
            float(facts.get("rotation_rad") or -0.1),
            float(facts.get("joint_rad") or 0.1),
        )
        gripper = (1.0, -1.0)
    dimension = 6 if action == "ee_delta" else 7
    return Meaning(source, layout, state, action, *units, dimension, *gripper, gain)


def _by_numbers(context: Context) -> Meaning:
    """Tell the kinds of state and actions by their numbers; units are left at 1, and the sense of the gripper open."""
    try:
        state = np.concatenate([state_of(context.data, rows) for rows in context.data.sample])
        actions = np.concatenate([actions_of(context.data, rows) for rows in context.data.sample])
    except Unavailable as why:
        raise Skip(str(why)) from why
    kind, width = classify_state(state), actions.shape[1]
    names = [name for column in state_columns(context.data) for name in names_of(context.data, column)]
    if kind not in {None, "joints"} and any(_JOINTS.search(name.lower()) for name in names):
        raise Skip(
            f"the state is joints by its names ({', '.join(names[:3])}, ...), of a robot that is not known; {SETTLE}"
        )
    if kind is None:
        raise Skip(f"nothing declares the state, and its numbers fit neither joints nor an end effector pose; {SETTLE}")
    if width == 7 and not is_absolute(actions[:, :3], state[:, :3]):
        action: ActionKind = "ee_delta"
    elif width == 8 and kind == "joints":
        action = "joint_position" if is_absolute(actions[:, :7], state[:, :7]) else "joint_delta"
    else:
        what = "absolute poses by their numbers" if width == 7 else f"{width} numbers"
        raise Skip(f"nothing declares the actions, {what}; {SETTLE}")
    # Which end opens is asked of the fingers.
    low, high = float(np.nanmin(actions[:, -1])), float(np.nanmax(actions[:, -1]))
    return Meaning("numbers", "", kind, action, 1.0, 1.0, 1.0, width - 1, high, low if low < high else high - 1, None)


def classify_state(state: Array) -> StateKind | None:
    """Tell joints from end effector poses by their numbers, (T, S); None where neither fits."""
    state = state[np.isfinite(state).all(axis=1)]
    if not len(state) or state.shape[1] < 7:
        return None
    norms = np.linalg.norm(state[:, 3:7], axis=1)
    if np.abs(norms - 1).max() < 0.02:
        return "eef_quaternion"
    # Joint 4 of a Panda is always below -0.07 and joint 6 above -0.02: an end effector's rotation is not.
    if within_panda_limits(state[:, :7]) > 0.98:
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
