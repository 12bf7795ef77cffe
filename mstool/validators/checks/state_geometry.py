"""MS407 to MS412: rotations, joint limits, fingers, the range of commands."""

from collections.abc import Iterator

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import action_columns, actions_of, dimension, state_columns, state_of
from mstool.layouts import get_layout
from mstool.robots import find_robot
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.classify import contradicts
from mstool.validators.kinematics import limits
from mstool.validators.meanings import SETTLE, Meaning, meaning_of
from mstool.validators.poses import WXYZ, quaternion_order
from mstool.validators.report import Curve, Issue, Note
from mstool.validators.tracks import need_width

# A turn between frames at which an arm would break: 20 Hz times this is 20 rad/s.
_JUMP_RAD = 1.0


def _expected(context: Context, kind: str) -> Meaning:
    meaning = meaning_of(context)
    if meaning.state != kind:
        raise Skip(f"the state holds no {kind.removeprefix('eef_')} ({meaning.state} {meaning.said})")
    state = np.concatenate([state_of(context.data, rows) for rows in context.data.sample])
    if kind != "joints" and contradicts(meaning.state, state):
        raise Skip(f"the state is not {meaning.state} (MS506)")
    return meaning


@register
class QuaternionNorm(Check):
    """MS407."""

    code, family = "MS407", "state and actions"
    title = "quaternions have length 1 and do not change sign"
    meaning = "a sign flip is the same rotation and another number: the model sees the arm jump"
    fix = "normalise; choose in each frame the sign closest to the frame before"

    def run(self, context: Context) -> Iterator[Issue]:
        """Check norm and continuity of every sampled episode."""
        meaning, data = _expected(context, "eef_quaternion"), context.data
        for rows in data.sample:
            quats = state_of(data, rows)[:, meaning.rotation]
            norm = np.linalg.norm(quats, axis=1)
            if quats.shape[1] < 4 or np.abs(norm - 1).max() > 0.02:
                at = int(np.abs(norm - 1).argmax())
                yield Issue(
                    "a quaternion is not of length 1",
                    meaning.severity,
                    feature=state_columns(data)[0],
                    episode=rows.episode,
                    frame=at,
                    observed=f"{norm[at]:.3f}",
                    expected="1",
                )
                continue
            flips = np.flatnonzero((quats[1:] * quats[:-1]).sum(axis=1) < 0)
            if flips.size:
                curve = _jump_curve(quats, ["w", "x", "y", "z"], rows.episode, "quaternion")
                yield Issue(
                    "a quaternion changes its sign",
                    meaning.severity,
                    feature=state_columns(data)[0],
                    episode=rows.episode,
                    frame=int(flips[0]) + 1,
                    evidence=(curve,),
                )


@register
class QuaternionOrder(Check):
    """MS408."""

    code, family = "MS408", "state and actions"
    title = "quaternions are in the declared order (wxyz)"
    meaning = "ManiSkill and SAPIEN store wxyz, robosuite and scipy xyzw: read in the other order a pose is another"
    fix = "reorder the four numbers"

    def run(self, context: Context) -> Iterator[Issue]:
        """Ask the commanded rotations; where they do not tell, that a gripper works from above."""
        meaning = _expected(context, "eef_quaternion")
        if meaning.source == "numbers":
            raise Skip(f"nothing declares an order; {SETTLE}")
        order = quaternion_order(context, meaning)
        if order != WXYZ:
            yield Issue(
                "the quaternion is xyzw: so the commanded turns agree with it, or the gripper points down",
                meaning.severity,
                feature=state_columns(context.data)[0],
                observed="xyzw",
                expected="wxyz",
            )


@register
class RotationJumps(Check):
    """MS409."""

    code, family = "MS409", "state and actions"
    title = "axis-angles are continuous within an episode"
    meaning = (
        "a gripper that points down sits at angle pi, where the vector's sign flips from frame to frame: the "
        "state jumps by 2 pi"
    )
    fix = "choose in each frame the branch closest to the frame before (mstool convert does)"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for steps no arm can make."""
        meaning, data = _expected(context, "eef_axis_angle"), context.data
        for rows in data.sample:
            turn = state_of(data, rows)[:, meaning.rotation]
            if len(turn) < 2:
                continue
            step = np.linalg.norm(np.diff(turn, axis=0), axis=1)
            if step.max() > _JUMP_RAD:
                at = int(step.argmax()) + 1
                curve = _jump_curve(turn, ["x", "y", "z"], rows.episode, "axis-angle")
                yield Issue(
                    "the axis-angle jumps",
                    meaning.severity,
                    feature=state_columns(data)[0],
                    episode=rows.episode,
                    frame=at,
                    observed=f"{step[at - 1]:.2f} rad in a frame",
                    expected=f"below {_JUMP_RAD:g}",
                    evidence=(curve,),
                )


@register
class JointLimits(Check):
    """MS410."""

    code, family = "MS410", "state and actions"
    title = "joints are within the robot's limits"
    meaning = "joints in another order, unit or of another robot than the pretrained one"
    fix = "write the seven joints in the robot's order, in rad"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare with the limits of the robot that the dataset names, else of its layout's or the target's."""
        meaning, data = _expected(context, "joints"), context.data
        name = str(data.record.robot or data.info.get("robot_type") or "")
        robot = find_robot(name)
        if name and not (robot and robot.joints) and not context.target.layout.value:
            raise Skip(f"the limits of {name!r} are not known")
        robot = robot if robot and robot.joints else meaning.robot
        lower, upper = limits(robot)
        for rows in data.sample:
            joints = state_of(data, rows)[:, : len(lower)]
            if joints.shape[1] < len(lower):
                raise Skip(f"the state has fewer than {len(lower)} dimensions")
            beyond = np.argwhere((joints < lower) | (joints > upper))
            if beyond.size:
                frame, dim = map(int, beyond[0])
                column, index, name = dimension(data, state_columns(data), dim)
                yield Issue(
                    f"{name} is outside its limits",
                    meaning.severity,
                    feature=column,
                    dimension=index,
                    episode=rows.episode,
                    frame=frame,
                    observed=f"{joints[frame, dim]:.3f} rad",
                    expected=f"{robot.lower[dim]:.2f} to {robot.upper[dim]:.2f}",
                )


@register
class FingerRange(Check):
    """MS411."""

    code, family = "MS411", "state and actions"
    title = "the fingers' state has the layout's sign and range"
    meaning = (
        "LIBERO's two fingers are + and -, DROID's gripper is 0 open to 1 closed: another sense reads as an "
        "impossible hand"
    )
    fix = "write the fingers as the layout says (mstool layouts)"

    def run(self, context: Context) -> Iterator[Issue]:
        """Check sign and size."""
        meaning, data = meaning_of(context), context.data
        state = np.concatenate([state_of(data, rows) for rows in data.sample])
        if meaning.source == "numbers":
            raise Skip(f"nothing declares the fingers' sign and range; {SETTLE}")
        layout = get_layout(meaning.layout)
        if state.shape[1] != len(layout.state):
            raise Skip(f"the state does not have {len(layout.state)} dimensions")
        if contradicts(meaning.state, state):
            raise Skip(f"the state is not {meaning.state} (MS506)")
        if layout.fingers is None:
            raise Skip(f"layout {layout.name!r} has no fingers in its state")
        for dim, (least, most) in layout.fingers.ranges.items():
            # Fingers that touch are pressed together a little beyond zero.
            slack = 0.05 * (most - least) + 0.002
            q01, q99 = np.quantile(state[:, dim], [0.01, 0.99])
            if q01 < least - slack or q99 > most + slack:
                column, index, name = dimension(data, state_columns(data), dim)
                yield Issue(
                    f"{name} leaves the range of layout {meaning.layout}",
                    meaning.severity,
                    feature=column,
                    dimension=index,
                    observed=f"{q01:.4g} to {q99:.4g}",
                    expected=f"{least:g} to {most:g}",
                )


@register
class CommandRange(Check):
    """MS412."""

    code, family = "MS412", "state and actions"
    title = "commands are within what the controller executes, and the gripper's reach both ends"
    meaning = (
        "the controller clips larger commands: the arm falls behind what was recorded; a gripper in another "
        "range never closes"
    )
    fix = (
        "rescale the dimension to the layout's range (mstool layouts) where the actions are made; record with a "
        "controller that clips as the evaluation's does"
    )

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Check the gripper's ends, and the size of normalised commands."""
        meaning, data = meaning_of(context), context.data
        if meaning.source == "numbers":
            raise Skip(f"nothing declares the range of commands; {SETTLE}")
        state = np.concatenate([state_of(data, rows) for rows in data.sample])
        actions = np.concatenate([actions_of(data, rows) for rows in data.sample])
        need_width(meaning, state, actions)
        columns = action_columns(data)
        low, high = sorted((meaning.gripper_open, meaning.gripper_closed))
        command = actions[:, meaning.gripper]
        column, index, name = dimension(data, columns, meaning.gripper)
        if command.min() < low - 0.02 or command.max() > high + 0.02:
            yield Issue(
                f"{name} leaves its range",
                meaning.severity,
                feature=column,
                dimension=index,
                observed=f"{command.min():.3g} to {command.max():.3g}",
                expected=f"{low:g} to {high:g}",
            )
        elif low < 0 and command.min() > -0.02 and np.ptp(command) > 0.5:
            yield Issue(
                f"{name} is never negative: the range is 0 to 1",
                meaning.severity,
                feature=column,
                dimension=index,
                observed=f"{command.min():.3g} to {command.max():.3g}",
                expected=f"{low:g} to {high:g}",
            )
        if meaning.action == "joint_position":
            return
        arm = actions[:, : meaning.gripper]
        # A layout's unit may be smaller than the controller's own: 0.1 m is 2 in units of 0.05 m.
        limit = 4.0
        size = np.abs(arm).max(axis=0)
        yield Note(f"arm commands reach {size.max():.2f}")
        for dim in np.flatnonzero(size > limit):
            column, index, name = dimension(data, columns, int(dim))
            yield Issue(
                f"{name} is beyond what a controller executes",
                meaning.severity,
                feature=column,
                dimension=index,
                observed=f"{size[dim]:.3g}",
                expected=f"within ±{limit:g}",
            )


def _jump_curve(values: Array, names: list[str], episode: int, title: str) -> Curve:
    """Plot some dimensions of one episode."""
    time = np.arange(len(values))
    return Curve(
        f"{title}, episode {episode}",
        "frame",
        "value",
        tuple((name, time, values[:, i]) for i, name in enumerate(names)),
    )
