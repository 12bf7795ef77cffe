"""MS413 to MS415: dimensions that stop, numbers that were rounded or clipped, a gripper's command that is none."""

from collections.abc import Iterator

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import action_columns, actions_of, dimension, state_columns, state_of
from mstool.validators.axes import AxisKind, axes_of
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.episode_rows import longest_run
from mstool.validators.meanings import meaning_of
from mstool.validators.report import Issue, Severity
from mstool.validators.tracks import Track, resting_fingers, tracks

# Frames in a row in which one dimension keeps its value to the bit while the others move.
_STOPPED = 15
# A dimension moves from this share of its reach on, in a frame. A hand that is held still trembles by less, which the
# 32-bit float of an angle near pi does not show.
_MOVES = 1e-5
# Values that a 16-bit float holds, of numbers that need not be: 1 in 8192 of any others.
_HALF = 0.98
# Share of an axis' commands that are its greatest, to the bit; fewer values say nothing.
_CLIPPED, _DISTINCT = 0.01, 20
# Greatest difference of a command from the share that the fingers are open, where it is a copy of it.
_COPY = 0.03
# Frames that fingers take to begin to follow, at most.
_ANSWERED = 10
# Frames after which fingers are compared with their command, and a correlation that tells which way they go.
_AFTER, _SENSE = 3, 0.4


def _sense(track: Track) -> float:
    """Return the correlation of the gripper's command with the fingers a little later, 0 where either is still."""
    if track.opening is None or len(track.opening) < 4 * _AFTER:
        return 0.0
    wanted, opening = track.wanted_opening[:-_AFTER], track.opening[_AFTER:]
    if np.ptp(wanted) < 0.1 or np.ptp(opening) < 1e-3:
        return 0.0
    return float(np.corrcoef(wanted, opening)[0, 1])


@register
class Stopped(Check):
    """MS413."""

    code, family = "MS413", "state and actions"
    title = "no dimension of the state stops while the others go on"
    meaning = "a sensor that froze, or a dimension that was not written: the policy is told of a place that is not"
    fix = "drop the episode, or write what was measured"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for values that stay the same to the bit in dimensions that move elsewhere."""
        data, columns = context.data, state_columns(context.data)
        sample = [(rows.episode, state_of(data, rows)) for rows in data.sample]
        everything = np.concatenate([state for _, state in sample])
        low, high = everything.min(axis=0), everything.max(axis=0)
        reach = 0.02 * (high - low)
        # A simulator's dimensions change in every frame; of others only those that do so elsewhere are asked.
        steady = np.mean([(np.diff(s, axis=0) == 0).mean(axis=0) for _, s in sample if len(s) > 2], axis=0)
        free = np.flatnonzero((high - low > 1e-3) & ((steady < 0.5) | data.record.converted))
        severity: Severity = "error" if data.record.converted else "warning"
        fingers, rest = resting_fingers(context)
        for episode, state in sample:
            if len(state) < 2 * _STOPPED:
                continue
            same = np.diff(state, axis=0) == 0
            moves = np.abs(np.diff(state, axis=0)) > _MOVES * (high - low)
            others = [moves[:, np.delete(free, i)].mean(axis=1) > 0.5 for i in range(len(free))]
            for dim, going in zip(free, others, strict=True):
                start, length = longest_run(same[:, dim] & going)
                at_its_end = not low[dim] + reach[dim] < state[start, dim] < high[dim] - reach[dim]
                # Fingers rest at their ends, and so do joints; for a whole episode only where they are told to.
                throughout = same[:, dim].all() and not (dim in fingers and episode in rest)
                if length >= _STOPPED and (throughout or not at_its_end):
                    column, index, name = dimension(data, columns, int(dim))
                    yield Issue(
                        f"{name} stops while the others move",
                        severity,
                        feature=column,
                        dimension=index,
                        episode=episode,
                        frame=start,
                        observed=f"{state[start, dim]:.6g} in {length + 1} frames",
                    )


@register
class Rounded(Check):
    """MS414."""

    code, family = "MS414", "state and actions"
    title = "numbers have the precision and the range that they were made with"
    meaning = "16-bit floats hold a position of 0.6 m to 0.5 mm; a command that was cut off falls behind the recording"
    fix = "keep float32 to the end; store commands as the controller had them"

    def run(self, context: Context) -> Iterator[Issue]:
        """Ask whether float16 holds the numbers, and whether commands pile up at an end."""
        data = context.data
        every = {
            state_columns(data): np.concatenate([state_of(data, rows) for rows in data.sample]),
            action_columns(data): np.concatenate([actions_of(data, rows) for rows in data.sample]),
        }
        for columns, values in every.items():
            for dim in range(values.shape[1]):
                numbers = values[:, dim][np.isfinite(values[:, dim])]
                numbers = numbers[(np.abs(numbers) > 1e-3) & (np.abs(numbers) < 6e4)]
                if len(np.unique(numbers)) < _DISTINCT:
                    continue
                halves = float((numbers.astype(np.float16).astype(np.float64) == numbers).mean())
                if halves > _HALF:
                    column, index, name = dimension(data, columns, dim)
                    yield Issue(
                        f"{name} was rounded to 16 bits",
                        "warning",
                        feature=column,
                        dimension=index,
                        observed=f"{halves:.0%} of its values are 16-bit floats",
                    )
        yield from self._clipped(context, every[action_columns(data)])

    @staticmethod
    def _clipped(context: Context, actions: Array) -> Iterator[Issue]:
        meaning, data = meaning_of(context), context.data
        if meaning.action == "joint_position" or meaning.source == "numbers":
            return
        for dim in range(min(meaning.gripper, actions.shape[1])):
            axis = np.abs(actions[:, dim])
            if len(np.unique(axis)) < _DISTINCT:
                continue
            for sign in (1, -1):
                side = sign * actions[:, dim]
                share = float((side == side.max()).mean())
                most = float(side.max())
                if share > max(_CLIPPED, 4 / len(side)) and most > 0 and not _is_limit(context, dim, most):
                    column, index, name = dimension(data, action_columns(data), dim)
                    yield Issue(
                        f"commands of {name} were cut off at {sign * most:.4g}",
                        "warning",
                        feature=column,
                        dimension=index,
                        observed=f"{share:.0%} of the frames have this value to the bit",
                    )
                    break


def _is_limit(context: Context, dim: int, most: float) -> bool:
    """Tell whether a command is the largest that the recorded controller takes: 1.0 of its own."""
    meaning, record = meaning_of(context), context.data.record
    size, name = {
        AxisKind.POSITION: (meaning.position_unit, "position_m"),
        AxisKind.ROTATION: (meaning.rotation_unit, "rotation_rad"),
        AxisKind.JOINT: (meaning.joint_unit, "joint_rad"),
    }[axes_of(meaning)[dim].kind]
    limits = [abs(each.get(name, 0.0)) for each in (record.controller, *record.controllers.values())]
    return bool(np.isclose(most * size, limits, rtol=1e-3, atol=0).any())


@register
class GripperCommanded(Check):
    """MS415."""

    code, family = "MS415", "state and actions"
    title = "the gripper's command is a command, not where the fingers are"
    meaning = "the policy learns to repeat what it sees: the gripper never starts to close"
    fix = "store the command that was sent to the gripper, in the layout's two ends (mstool layouts)"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare the command with the fingers of the same frame."""
        meaning, found = tracks(context)
        told = False
        senses = {t.episode: _sense(t) for t in found}
        known = [sense for sense in senses.values() if sense]
        typical = float(np.median(known)) if known else 0.0
        for track in found:
            if track.opening is None:
                continue
            if typical > _SENSE and senses[track.episode] < -_SENSE:
                yield Issue(
                    "the gripper's command is flipped in this episode",
                    "error" if meaning.source == "record" else "warning",
                    episode=track.episode,
                    feature=action_columns(context.data)[0],
                    dimension=meaning.gripper,
                    observed=f"correlation with the fingers {senses[track.episode]:+.2f}",
                    expected=f"about {typical:+.2f}",
                )
            if np.ptp(track.opening) < 1e-5:
                # A command for several frames at each end, and fingers that do nothing.
                if min((track.wanted_opening < 0.1).sum(), (track.wanted_opening > 0.9).sum()) > _ANSWERED:
                    told = True
                    yield Issue(
                        "the gripper is commanded, and the fingers in the state do not move",
                        "error" if meaning.source == "record" else "warning",
                        episode=track.episode,
                        feature="+".join(state_columns(context.data)),
                        observed=f"always {track.opening[0]:.4g} m open",
                    )
                continue
            told = True
            wanted, opening = track.wanted_opening, track.opening / track.opening.max()
            # Whatever two ends the command has been given.
            scale = np.stack([opening, np.ones_like(opening)], axis=1)
            left = np.abs(wanted - scale @ np.linalg.lstsq(scale, wanted, rcond=None)[0])
            between = ((wanted > 0.02) & (wanted < 0.98)).mean()
            if float(left.max()) < _COPY * max(float(np.ptp(wanted)), 1e-6) and between > 0.02:
                yield Issue(
                    "the gripper's command is the measured opening of the same frame",
                    "error" if meaning.source == "record" else "warning",
                    episode=track.episode,
                    feature=action_columns(context.data)[0],
                    dimension=meaning.gripper,
                    observed=f"differs by at most {left.max():.3f} of its range",
                )
        if not told:
            raise Skip("the fingers do not move, or are not in the state")
