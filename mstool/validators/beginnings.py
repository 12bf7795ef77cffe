"""Whether an episode begins where the others do, and where the robot does."""

from collections.abc import Iterator

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import dimension, state_columns
from mstool.layouts.rotations import axis_angle_to_quat
from mstool.validators.check import Context
from mstool.validators.followed import severity
from mstool.validators.meanings import Meaning
from mstool.validators.report import Issue
from mstool.validators.tracks import Track

# How far from the robot's usual beginning an episode may begin.
_START_OFF_M, _START_OFF_RAD = 0.08, 0.4
# A beginning differs from the others' by this multiple of how far these typically differ from their median, and by so
# much (m, rad) beside.
_ODD, _ODD_BESIDE = 5.0, 0.2


def beginnings(context: Context, meaning: Meaning, found: list[Track]) -> Iterator[Issue]:
    """Compare where episodes of a task begin with each other, and with where ManiSkill's begin."""
    names, record = context.data.task_names, context.data.record
    robot = meaning.robot
    found = [track for track in found if track.episode not in context.data.disturbed]
    for task in sorted({names[t.episode] for t in found}):
        group = [t for t in found if names[t.episode] == task]
        first = np.array([t.state[0] for t in group], np.float64)
        for i, track in enumerate(group if len(group) > 2 else []):
            others = np.delete(first, i, axis=0)
            median = np.median(others, axis=0)
            off = np.abs(first[i] - median) - _ODD * np.median(np.abs(others - median), axis=0)
            dim = int(off.argmax())
            if off[dim] > _ODD_BESIDE:
                column, index, name = dimension(context.data, state_columns(context.data), dim)
                yield Issue(
                    f"{name} begins elsewhere than in the other episodes",
                    severity(meaning),
                    episode=track.episode,
                    frame=0,
                    feature=column,
                    dimension=index,
                    observed=f"{first[i][dim]:.3f}",
                    expected=f"about {median[dim]:.3f}",
                )
        if (
            meaning.source != "record"
            or meaning.state == "joints"
            or robot.start_m is None
            or not set(record.env_ids) <= set(robot.solutions)
        ):
            continue
        column = state_columns(context.data)[0]
        for track in group:
            where = track.position[0]
            if np.abs(where - robot.start_m).max() > _START_OFF_M:
                yield Issue(
                    "the episode does not begin where ManiSkill puts the tool centre point: another frame or point",
                    "warning",
                    episode=track.episode,
                    frame=0,
                    feature=column,
                    observed=", ".join(f"{x:.3f}" for x in where),
                    expected=", ".join(f"{x:.3f}" for x in robot.start_m),
                )
        turn = np.median([t.state[0, meaning.rotation] for t in group], axis=0)
        if meaning.state == "eef_axis_angle" and _tilt(turn) > _START_OFF_RAD:
            yield Issue(
                f"{task} does not begin with the gripper pointing down as ManiSkill's does: rotations are in "
                "another frame or form",
                "warning",
                feature=column,
                observed=", ".join(f"{x:.3f}" for x in turn),
                expected="about 3.142, 0, 0",
            )


def _tilt(turn: Array) -> float:
    """Return by how much a tool of axis-angle (3,) points elsewhere than straight down, rad."""
    _, x, y, _ = axis_angle_to_quat(turn[None])[0]
    return float(np.arccos(np.clip(-(1 - 2 * (x**2 + y**2)), -1, 1)))
