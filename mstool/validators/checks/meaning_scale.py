"""MS503: whether one unit of action is as large as it should be."""

from collections.abc import Iterator

import numpy as np

from mstool.dataset.vectors import action_columns
from mstool.layouts import LAYOUTS
from mstool.robots import DEFAULT_ROBOT
from mstool.validators.axes import AxisKind, axes_of
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.commanded import FOLLOWS
from mstool.validators.meanings import Meaning
from mstool.validators.motion import CLEAR, axis_fits, scatter, stacked
from mstool.validators.regression import Fit, fit
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import Track, explained_share, tracks

# A controller reaches part of a commanded step within it: 0.39 for ManiSkill's Panda, up to 1 for others.
_LEAST_GAIN, _MOST_GAIN = 0.15, 1.3
# How far a known gain may be off: half of a factor of two, geometrically, plus contacts.
_GAIN_FACTOR = 1.6
# How far an inferred unit may be off to be called the same as a layout's.
_SAME_UNIT = 1.25


@register
class ActionScale(Check):
    """MS503."""

    code, family = "MS503", "meaning"
    title = "one unit of action is as large as it should be"
    meaning = "the executed motion is too large or too small by the same factor in every step"
    fix = "write the actions in the layout's units where they are made (LIBERO: 0.05 m and 0.5 rad; DROID: 3 rad/s)"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare the pooled gain with what the controller reaches in one step."""
        meaning, found = tracks(context)
        if meaning.action == "joint_position":
            raise Skip("absolute joint targets have no unit to get wrong beside rad (MS404)")
        groups = _executed(context, meaning, found)
        told = [said for who, gain, group in groups for said in _sizes(context, meaning, gain, group, who)]
        if not told:
            raise Skip("too little motion that follows the commands")
        yield from told


def _executed(context: Context, meaning: Meaning, found: list[Track]) -> list[tuple[str, float | None, list[Track]]]:
    """Group episodes by what executed their actions: its environment, the share that it reaches, and the episodes.

    The controllers of several benchmarks reach different shares of a command, and so each is compared with its own.
    """
    controllers = context.data.record.controllers
    if meaning.source != "record" or not controllers:
        return [("", meaning.gain, found)]
    names, robot, mode = context.data.task_names, meaning.robot, context.data.record.control_mode
    groups = [(each, [t for t in found if names.get(t.episode) == each]) for each in controllers]
    return [(each, robot.gain_in(mode, controllers[each]), group) for each, group in groups if group]


def _sizes(
    context: Context, meaning: Meaning, gain: float | None, found: list[Track], who: str
) -> Iterator[Issue | Note]:
    """Compare the pooled gain of episodes that one controller executed with what it reaches in one step."""
    try:
        moved, commanded, previous = stacked(found)
    except Skip:
        return
    every = axes_of(meaning)
    fits = axis_fits(meaning, found)
    gains = {}
    for kind in AxisKind:
        # An axis that something holds back reaches less of its command, whatever the unit.
        axes = [a for a, f in fits.items() if every[a].kind is kind and f.r2 > CLEAR and not f.cancels]
        axes = [a for a in axes if explained_share(found, [a], [0, 1]) > FOLLOWS]
        if not axes:
            continue
        # Directions are another check's: each axis enters with the sign it has.
        sign = np.sign([fits[axis].gain for axis in axes])
        x = np.stack([(commanded[:, axes] * sign).ravel(), (previous[:, axes] * sign).ravel()], axis=1)
        gains[kind] = fit(x, moved[:, axes].ravel())
    if not gains:
        return
    if meaning.source == "numbers":
        told = "; ".join(_inferred_unit(kind, result) for kind, result in gains.items())
        yield Note(f"nothing declares the unit; by the numbers, {told}")
        return
    column, where = action_columns(context.data)[0], f"{who}: " if who else ""
    ratio = _uneven(gains) if gain is None else None
    if ratio is not None:
        yield Issue(
            f"{where}of a commanded step, positions reach {ratio:.2g} times the share that rotations do: one of both "
            f"units is off by about that factor from what it is {meaning.said}",
            "warning",
            feature=column,
            observed=f"{ratio:.2g}",
            expected=f"{1 / _GAIN_FACTOR:.2g} to {_GAIN_FACTOR:g}",
        )
    for kind, result in gains.items():
        low, high = (_LEAST_GAIN, _MOST_GAIN) if gain is None else (gain / _GAIN_FACTOR, gain * _GAIN_FACTOR)
        reached = f"{result.gain:.3f} ± {2 * result.gain_error:.3f} of the commanded step is reached (95 %)"
        text = f"{where}{kind}: {reached}"
        yield Note(text)
        if not low <= result.gain <= high:
            factor = result.gain / (gain or 0.5)
            yield Issue(
                f"{text}: the actions' {kind} unit is about {factor:.2g} times what it is {meaning.said}",
                meaning.severity,
                feature=column,
                observed=f"{result.gain:.3f}",
                expected=f"{low:.2f} to {high:.2f}",
                evidence=(scatter(meaning, found, next(a for a in fits if every[a].kind is kind)),),
                fix=meaning.fix,
            )


def _uneven(gains: dict[AxisKind, Fit]) -> float | None:
    """Return how many times further positions go than rotations of a command; None where both go about as far.

    A controller brings both about equally far within a step: 0.39 of a command for ManiSkill's Panda, either way.
    """
    if not {AxisKind.POSITION, AxisKind.ROTATION} <= set(gains):
        return None
    position, rotation = (abs(gains[kind].gain) for kind in (AxisKind.POSITION, AxisKind.ROTATION))
    ratio = position / max(rotation, 1e-9)
    return None if 1 / _GAIN_FACTOR <= ratio <= _GAIN_FACTOR else ratio


def _inferred_unit(kind: AxisKind, result: Fit) -> str:
    """Say what one unit leads to, and whose unit that would be if the arm follows as ManiSkill's does."""
    text = f"{kind}: 1.0 leads to {result.gain:.3g} ± {2 * result.gain_error:.1g} {kind.unit} in a step (95 %)"
    gain = DEFAULT_ROBOT.gain
    for owner, size in _known_units(kind):
        if gain / _SAME_UNIT < result.gain / size < gain * _SAME_UNIT:
            return f"{text}, as {owner}'s unit of {size:g} {kind.unit} would"
    return text


def _known_units(kind: AxisKind) -> Iterator[tuple[str, float]]:
    """Yield the layouts' units of a step: whose it is, and its size."""
    for layout in LAYOUTS.values():
        for mode in layout.control_modes:
            facts = layout.action_facts(mode)
            sizes = {
                AxisKind.POSITION: facts.position_m,
                AxisKind.ROTATION: facts.rotation_rad,
                AxisKind.JOINT: facts.joint_rad,
            }
            if sizes[kind]:
                yield layout.owner, abs(sizes[kind])
