"""MS510 to MS512: whether each axis follows its own command, episode for episode, from where episodes begin.

An arm in free space follows its controller closely: of ten ManiSkill tasks, the axis that follows best is explained by
0.98 and more by the commands of a step and the one before, and reaches 0.36 to 0.42 of each. Contacts hold other axes
back; they never make one follow another axis' command, or an earlier one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import action_columns, dimension, state_columns
from mstool.layouts.rotations import axis_angle_to_quat
from mstool.validators.axes import AxisKind, axes_of
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.meanings import Meaning
from mstool.validators.regression import fit
from mstool.validators.report import Issue, Note, Severity
from mstool.validators.tracks import Track, tracks

# Steps of an axis that tell something, and their root mean square as a multiple of where it starts to.
_FEW, _LARGE = 20, 2.0
# An axis that is explained so much by a command follows it, and one that is explained so little does not.
_FOLLOWS, _DOES_NOT = 0.9, 0.6
# Another reading of an episode's commands leaves less than this share of what is unexplained, of which there is at
# least so much (shares of the motion).
_BETTER, _UNEXPLAINED, _UNEXPLAINED_ALONE = 0.35, 0.015, 0.006
# Of a single axis, contacts leave up to 0.6 and seem to follow a neighbour with 0.09 left: a mistake is clearer.
_WRONG, _OPPOSITE, _RIGHT = 0.7, 1.5, 0.06
# The best axis is explained at least so much, and reaches what is known within this factor.
# A single episode in contact was seen at 0.76.
_CLEAN, _CLEAN_ALONE, _GAIN_FACTOR, _ALIKE = 0.93, 0.7, 1.18, 1.12
# How far successive commands or steps jump: up to 0.10 of their squares where contacts leave much unexplained, 0.15 and
# more with noise of half of the commands' size, or every tenth frame left out.
_JUMPS = 0.12
# How far from the robot's usual beginning an episode may begin.
_START_OFF_M, _START_OFF_RAD = 0.08, 0.4
# A beginning differs from the others' by this multiple of how far these typically differ from their median, and by so
# much (m, rad) beside.
_ODD, _ODD_BESIDE = 5.0, 0.2


def _severity(meaning: Meaning) -> Severity:
    return "error" if meaning.source == "record" else "warning"


def _moves(meaning: Meaning, track: Track, axis: int) -> bool:
    still = axes_of(meaning)[axis].still
    return len(track.moved) > _FEW and float(np.sqrt(np.mean(track.moved[:, axis] ** 2))) > _LARGE * still


def _jumps(members: list[Track], axes: list[int]) -> bool:
    """Say whether commands or motion jump from step to step, as noise does; what a hand presses on holds steadily."""
    for each in ([t.commanded[:, axes] for t in members], [t.moved[:, axes] for t in members]):
        jumped = sum(float((np.diff(v, axis=0) ** 2).sum()) for v in each)
        if jumped > _JUMPS * sum(float((v**2).sum()) for v in each):
            return True
    return False


def _goes(meaning: Meaning, track: Track, axis: int) -> Array:
    """Return at which steps after the first the arm goes anywhere by an axis of this kind, (n - 1,)."""
    every = axes_of(meaning)
    alike = [a for a in range(len(every)) if every[a].kind is every[axis].kind]
    stands = np.array([every[a].still for a in alike])
    goes = np.any(np.abs(track.moved[1:, alike]) > stands, axis=1)
    return np.asarray(goes)


def _inputs(track: Track, axis: int, lag: int = 0) -> Array:
    """Return the commands of a step and of the one before, `lag` frames earlier, (n, 2)."""
    at = np.arange(1, len(track.moved)) - lag
    inside = np.clip(at, 0, len(track.commanded) - 1)
    before = np.clip(at - 1, 0, len(track.commanded) - 1)
    return np.stack([track.commanded[inside, axis], track.commanded[before, axis]], axis=1)


def _share(moved: Array, x: Array) -> tuple[float, float]:
    """Return how much of the motion commands explain, and the gain."""
    found = fit(x, moved)
    return found.r2, found.gain


@register
class OwnCommand(Check):
    """MS510."""

    code, family = "MS510", "meaning"
    title = "every axis follows its own command"
    meaning = "axes were exchanged or the frame was turned: the robot moves sideways where it should go ahead"
    fix = "write actions and state in one frame, with the axes in the layout's order (mstool layouts)"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Explain each axis by every command."""
        meaning, found = tracks(context)
        if meaning.action == "joint_position" or not found:
            raise Skip("the actions are absolute, or there is no motion")
        every = axes_of(meaning)
        # {axis that moves: (share, gain) by each axis' commands}
        shares: dict[int, list[tuple[float, float]]] = {}
        for axis in range(len(every)):
            moving = [t for t in found if _moves(meaning, t, axis)]
            if moving and sum(len(t.moved) for t in moving) >= 2 * _FEW:
                moved = np.concatenate([t.moved[1:, axis] for t in moving])
                by = [np.concatenate([_inputs(t, other) for t in moving]) for other in range(len(every))]
                shares[axis] = [_share(moved, commands) for commands in by]
        for axis, by_each in shares.items():
            best = max(range(len(by_each)), key=lambda other: by_each[other][0])
            # A hand that presses on something seems to follow what its free axes do, which follow their own commands.
            taken = best in shares and shares[best][best][0] > _FOLLOWS
            if best != axis and by_each[axis][0] < _DOES_NOT and by_each[best][0] > _FOLLOWS and not taken:
                column, index, name = dimension(context.data, action_columns(context.data), axis)
                how = "the opposite of " if by_each[best][1] < 0 else ""
                yield Issue(
                    f"{every[axis].name} follows {how}the command of {every[best].name}",
                    _severity(meaning),
                    feature=column,
                    dimension=index,
                    observed=f"explained by {by_each[best][0]:.2f}, by its own command ({name}) {by_each[axis][0]:.2f}",
                )
        if not shares:
            raise Skip("no axis moves enough")
        yield Note(f"{len(shares)} axes move enough to tell")


@dataclass(frozen=True)
class Reading:
    """One way to read an episode's commands: what it is called, and the motion that it predicts for each axis."""

    name: str
    predicted: dict[int, Array]


@register
class EachEpisode(Check):
    """MS511."""

    code, family = "MS511", "meaning"
    title = "each episode's actions are read as the others' are, and begin where they do"
    meaning = "some episodes have other axes, another time or another frame: the policy learns a mixture of both"
    fix = "convert those episodes as the others were: all with one version of the converter (mstool convert)"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Try other readings on each episode with the response that all have in common."""
        meaning, found = tracks(context)
        yield from self._beginnings(context, meaning, found)
        if meaning.action == "joint_position" or len(found) < 2:
            return
        response = self._response(meaning, found)
        if not response:
            yield Note("no axis follows its commands in most episodes")
            return
        for track in found:
            axes = [a for a in response if _moves(meaning, track, a)]
            if not axes:
                continue
            scale = {a: float((track.moved[1:, a] ** 2).sum()) for a in axes}
            own = self._left(track, self._reading(track, axes, response, ""), scale)
            readings = [
                self._reading(track, axes, response, f"{abs(k)} frames {'late' if k < 0 else 'early'}", lag=k)
                for k in (-2, -1, 1, 2)
            ]
            left = {r.name: self._left(track, r, scale) for r in readings}
            total = sum(own.values()) / len(axes)
            best = min(left, key=lambda name: sum(left[name].values()))
            together = total > _UNEXPLAINED and sum(left[best].values()) / len(axes) < _BETTER * total
            # An axis in contact outweighs all others together: most of them by themselves tell as well.
            better = [a for a in axes if own[a] > _UNEXPLAINED_ALONE and left[best][a] < _BETTER * own[a]]
            if together or (len(better) > 1 and 2 * len(better) > len(axes)):
                yield self._issue(context, meaning, track, f"are {best}", total, sum(left[best].values()) / len(axes))
                continue
            for axis in axes:
                taken = [a for a in axes if own[a] < 1 - _FOLLOWS]
                others = self._others(meaning, track, axis, response, taken)
                left_of = {name: float(((track.moved[1:, axis] - p) ** 2).sum()) / scale[axis] for name, p in others}
                best = min(left_of, key=lambda name: left_of[name])
                if left_of[best] < (_RIGHT if own[axis] < _OPPOSITE else 4 * _RIGHT) and own[axis] > _WRONG:
                    yield self._issue(context, meaning, track, best, own[axis], left_of[best])

    @staticmethod
    def _response(meaning: Meaning, found: list[Track]) -> dict[int, Array]:
        """Return each axis' coefficients (2,), where most episodes follow them."""
        response = {}
        for axis in range(len(axes_of(meaning))):
            moving = [t for t in found if _moves(meaning, t, axis)]
            if len(moving) < 2:
                continue
            each = [fit(_inputs(t, axis), t.moved[1:, axis]) for t in moving]
            typical = np.median([f.coefficients for f in each], axis=0)
            if float(np.median([f.r2 for f in each])) > _FOLLOWS:
                response[axis] = typical
        return response

    @staticmethod
    def _reading(track: Track, axes: list[int], response: dict[int, Array], name: str, lag: int = 0) -> Reading:
        return Reading(name, {a: _inputs(track, a, lag) @ response[a] for a in axes})

    @staticmethod
    def _left(track: Track, reading: Reading, scale: dict[int, float]) -> dict[int, float]:
        return {a: float(((track.moved[1:, a] - p) ** 2).sum()) / scale[a] for a, p in reading.predicted.items()}

    @staticmethod
    def _others(
        meaning: Meaning, track: Track, axis: int, response: dict[int, Array], taken: list[int]
    ) -> Iterator[tuple[str, Array]]:
        """Yield other readings of an axis' commands; what a `taken` axis itself follows are that axis' commands."""
        every = axes_of(meaning)
        name = every[axis].name
        yield f"of {name} are negated", -(_inputs(track, axis) @ response[axis])
        for other in range(len(every)):
            if other != axis and other not in taken and every[other].kind is every[axis].kind:
                predicted = _inputs(track, other) @ response[axis]
                yield f"of {name} are those of {every[other].name}", predicted
                yield f"of {name} are those of {every[other].name}, negated", -predicted

    @staticmethod
    def _issue(context: Context, meaning: Meaning, track: Track, what: str, own: float, left: float) -> Issue:
        return Issue(
            f"the actions {what} in this episode",
            _severity(meaning),
            episode=track.episode,
            feature=action_columns(context.data)[0],
            observed=f"that leaves {left:.0%} of the motion unexplained, as stored {own:.0%}",
        )

    @staticmethod
    def _beginnings(context: Context, meaning: Meaning, found: list[Track]) -> Iterator[Issue]:
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
                        _severity(meaning),
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


@register
class BestFollower(Check):
    """MS512."""

    code, family = "MS512", "meaning"
    title = "the arm follows its commands as its controller does, in every episode"
    meaning = "commands in noise, of another unit or another controller's: what is executed is not what was recorded"
    fix = "store the commands as they were executed, in the layout's units; convert the demos again (mstool convert)"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Fit the axis that follows best: of all episodes and of each."""
        meaning, found = tracks(context)
        if meaning.gain is None or meaning.action == "joint_position":
            raise Skip("how far this controller gets in a step is not known")
        for kind in AxisKind:
            axes = [a for a, axis in enumerate(axes_of(meaning)) if axis.kind is kind]
            each = {t.episode: self._fits(meaning, [t], axes) for t in found}
            clear = [max(fits)[0] for fits in each.values() if fits]
            if not clear:
                continue
            together = self._fits(meaning, found, axes)
            typical = float(np.median(clear))
            yield Note(f"{kind}: commands explain {typical:.2f} of an episode's best axis, at least {min(clear):.2f}")
            # Contacts leave good data little room here (0.93 was seen), so nothing fails by it.
            column = action_columns(context.data)[0]
            severity: Severity = "warning"
            noise = "commands explain too little even of the axis that follows best: they hold noise"
            if kind is not AxisKind.ROTATION and typical < _CLEAN and _jumps(found, axes):
                yield Issue(f"{kind} {noise}", severity, feature=column, observed=f"{typical:.2f}", expected="0.98")
            elif times := self._times(together, meaning.gain):
                yield Issue(
                    f"{kind} commands are {times:.2f} times as large as what is executed",
                    severity,
                    feature=column,
                    observed=", ".join(f"reached {gain:.3f}" for _, gain in together),
                    expected=f"{meaning.gain:.3f}",
                )
            else:
                for track in found:
                    fits = each[track.episode]
                    times = self._times(fits, meaning.gain)
                    alone = max(fits)[0] if fits else 1.0
                    if kind is not AxisKind.ROTATION and alone < _CLEAN_ALONE and _jumps([track], axes):
                        what, observed = noise, f"{alone:.2f}"
                    elif times:
                        what = f"commands are {times:.2f} times as large as what is executed"
                        observed = ", ".join(f"reached {gain:.3f}" for _, gain in fits)
                    else:
                        continue
                    yield Issue(f"{kind} {what}", severity, episode=track.episode, feature=column, observed=observed)

    def _fits(self, meaning: Meaning, members: list[Track], axes: list[int]) -> list[tuple[float, float]]:
        return [f for a in axes if (f := self._fit(meaning, members, a)) is not None]

    @staticmethod
    def _times(fits: list[tuple[float, float]], gain: float) -> float:
        """Return by which factor commands are too large, 0 where they are not: two axes must say so, and none not.

        What stands in the way holds back one axis, or two by different factors.
        """
        factors = np.array([gain / abs(reached) for share, reached in fits if share > _CLEAN and reached])
        if len(factors) < 2 or factors.max() / factors.min() > _ALIKE:
            return 0.0
        wrong = (factors > _GAIN_FACTOR) | (factors < 1 / _GAIN_FACTOR)
        return float(np.median(factors)) if wrong.all() else 0.0

    @staticmethod
    def _fit(meaning: Meaning, members: list[Track], axis: int) -> tuple[float, float] | None:
        moving = [t for t in members if _moves(meaning, t, axis)]
        # An arm that stands still while it is told to move presses on something, as at the end of a push.
        going = [np.flatnonzero(_goes(meaning, t, axis)) for t in moving]
        if sum(map(len, going)) <= _FEW:
            return None
        moved = np.concatenate([t.moved[1:, axis][at] for t, at in zip(moving, going, strict=True)])
        x = np.concatenate([_inputs(t, axis)[at] for t, at in zip(moving, going, strict=True)])
        # Not Huber's: noise must count in full.
        coefficients = np.linalg.lstsq(x, moved, rcond=None)[0]
        share = 1 - float(((moved - x @ coefficients) ** 2).sum()) / float((moved**2).sum())
        return share, float(coefficients.sum())
