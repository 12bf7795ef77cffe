"""What the dimensions of state and actions mean, and who says so.

The record that `mstool convert` wrote comes first, then the names of the dimensions, then what the target reads; where
none of them says anything the numbers are asked. What follows from numbers alone is told, and never held against the
dataset.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mstool.dataset.files import Unavailable
from mstool.dataset.vectors import actions_of, names_of, state_columns, state_of
from mstool.layouts import LAYOUTS, Layout
from mstool.layouts.facts import ActionKind, Fingers, OneFinger, StateKind, TwoFingers
from mstool.layouts.recognise import recognise
from mstool.robots import DEFAULT_ROBOT, Robot
from mstool.validators.check import Context, Skip
from mstool.validators.classify import classify_state, is_absolute
from mstool.validators.report import Severity

Source = Literal["record", "names", "target", "numbers"]

# What settles a convention that nothing declares.
RESTORE = "mstool describe DATASET --from ORIGINAL"
SETTLE = f"to settle it: {RESTORE} if mstool made it, else mstool describe DATASET --layout LAYOUT (mstool layouts)"


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

    @property
    def robot(self) -> Robot:
        """Whose joints the state's are, where it holds joints."""
        known = LAYOUTS.get(self.layout)
        return (known.robot if known else None) or DEFAULT_ROBOT

    def fingers(self, width: int) -> Fingers | None:
        """Return where a state of `width` dimensions holds the fingers; None where it does not.

        A layout says so. Else they come after the pose or the joints: two of them, or one.
        """
        known = LAYOUTS.get(self.layout)
        fingers: Fingers | None
        if known:
            fingers = known.fingers
        else:
            first = {"eef_axis_angle": 6, "eef_quaternion": 7, "joints": len(self.robot.joints)}[self.state]
            fingers = TwoFingers(first) if width >= first + 2 else OneFinger(first)
        return fingers if fingers and max(fingers.ranges) < width else None


# Names of joints: numbers of another robot's joints can pass for an end effector pose.
_JOINTS = re.compile(r"joint|motor|shoulder|elbow|waist|wrist|qpos")


def meaning_of(context: Context) -> Meaning:
    """Decide what the vectors mean.

    The dataset's own declaration comes first: a target that wants something else is reported once, by its own check.

    Raises
    ------
    Skip
        Nothing is declared, the target expects nothing, and the numbers do not tell.

    """
    data, target = context.data, context.target
    name, mode = data.record.layout, data.record.control_mode
    declared = LAYOUTS.get(name)
    declared = declared and declared.meant_as(data.record.robot, mode)
    if name and (declared is None or declared.state_kind is None):
        raise Skip(f"the declared layout {name!r} says nothing about single dimensions")
    if declared and mode in declared.control_modes:
        found = _meaning("record", declared, mode, data.fps, data.record.controller)
        # Whose controller executed what a person describes is known where he names the environment; that of two
        # benchmarks' episodes is two.
        known = (data.record.converted or data.record.env_ids) and not data.record.controllers
        return found if known else replace(found, gain=None)
    named = recognise(data.features)
    wanted = (target.layout.value, target.control_mode)
    if named and (named.layout.name, named.control_mode) != wanted:
        return _meaning("names", named.layout, named.control_mode, data.fps)
    if target.layout.value:
        return _meaning("target", LAYOUTS[target.layout.value], target.control_mode, data.fps)
    return _by_numbers(context)


def _meaning(
    source: Source, layout: Layout, mode: str, fps: float, controller: Mapping[str, float] | None = None
) -> Meaning:
    if layout.state_kind is None:
        raise Skip(f"layout {layout.name!r} says nothing about single dimensions")
    facts = layout.action_facts(mode, controller)
    return Meaning(
        source,
        layout.name,
        layout.state_kind,
        facts.kind,
        facts.position_m,
        facts.rotation_rad,
        facts.joint_step(fps),
        facts.gripper.dimension,
        facts.gripper.open,
        facts.gripper.closed,
        # What a target was trained on may be another robot's controller.
        layout.robot.gain_in(mode, controller) if layout.robot and source != "target" else None,
    )


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
