"""What the dimensions of state and actions mean: declared by the dataset, expected by the target, or inferred."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mstool.contract import Array
from mstool.layouts import LAYOUTS
from mstool.validators.check import Context, Skip
from mstool.validators.files import Unavailable
from mstool.validators.kinematics import within_panda_limits
from mstool.validators.vectors import actions_of, state_of

StateKind = Literal["eef_axis_angle", "eef_quaternion", "joints"]
ActionKind = Literal["ee_delta", "joint_delta", "joint_position"]
Source = Literal["declared", "target", "inferred"]

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
    def rotation(self) -> slice:
        """Dimensions of the state that hold the rotation."""
        return slice(3, 7) if self.state == "eef_quaternion" else slice(3, 6)


# Layouts whose dimensions have a meaning that is known here.
_DEFINED = ("libero", "droid", "joint", "tcp")
# Measured on ManiSkill 3.0.1's Panda: pd_ee_delta_pose and pd_joint_delta_pos start each step from where the arm is.
_GAINS = {"pd_ee_delta_pose": 0.39, "pd_joint_delta_pos": 0.39, "pd_joint_pos": 0.39}


def meaning_of(context: Context) -> Meaning:
    """Decide what the vectors mean.

    The dataset's own declaration comes first: a target that wants something else is reported once, by its own check.

    Raises
    ------
    Skip
        Nothing is declared, the target expects nothing, and the data does not tell.

    """
    data, target = context.data, context.target
    layout, mode = str(data.ours.get("layout") or ""), str(data.ours.get("control_mode") or "")
    if layout and layout not in _DEFINED:
        raise Skip(f"the declared layout {layout!r} says nothing about single dimensions")
    if layout in LAYOUTS and mode in LAYOUTS[layout].control_modes:
        facts = data.ours.get("controller") or {}
        return _meaning("declared", layout, mode, facts if isinstance(facts, dict) else {}, data.fps, _GAINS.get(mode))
    if target.layout.value:
        return _meaning("target", target.layout.value, target.control_mode, {}, data.fps, None)
    return _inferred(context)


def _meaning(source: Source, layout: str, mode: str, facts: dict[str, Any], fps: float, gain: float | None) -> Meaning:
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


def _inferred(context: Context) -> Meaning:
    try:
        state = np.concatenate([state_of(context.data, rows) for rows in context.data.sample])
        actions = np.concatenate([actions_of(context.data, rows) for rows in context.data.sample])
    except Unavailable as why:
        raise Skip(str(why)) from why
    kind = classify_state(state)
    if kind is None:
        raise Skip("nothing declares what the state means, and its numbers fit neither joints nor an end effector pose")
    width = actions.shape[1]
    if width == 7:
        action: ActionKind = "ee_delta"
    elif width == 8 and kind == "joints":
        action = "joint_position" if follows(actions[:, :7], state[:, :7]) else "joint_delta"
    else:
        raise Skip(f"nothing declares what the {width} action dimensions mean")
    # ManiSkill's own units: an evaluation that knows nothing else hands the actions to the simulator as they are.
    return Meaning("inferred", "", kind, action, 0.1, -0.1, 0.1, width - 1, 1.0, -1.0, None)


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


def follows(actions: Array, state: Array) -> bool:
    """Whether actions (T, D) trail the state: absolute targets (var(a - s) is small against var(s))."""
    moves = state.std(axis=0) > 1e-4
    if not moves.any():
        return False
    gap = (actions - state).std(axis=0)[moves] / state.std(axis=0)[moves]
    return bool(np.median(gap) < 0.25)
