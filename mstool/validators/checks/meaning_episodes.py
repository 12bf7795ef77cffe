"""MS511: whether each episode's actions are read as the others' are, and begin where they do.

An axis' own response is known from all episodes together; in each, other readings of the commands are tried with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import action_columns
from mstool.validators.axes import axes_of
from mstool.validators.beginnings import beginnings
from mstool.validators.check import Check, Context, register
from mstool.validators.followed import FOLLOWS, inputs, moves, severity
from mstool.validators.meanings import Meaning
from mstool.validators.regression import fit
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import Track, tracks

# Another reading of an episode's commands leaves less than this share of what is unexplained, of which there is at
# least so much (shares of the motion).
_BETTER, _UNEXPLAINED, _UNEXPLAINED_ALONE = 0.35, 0.015, 0.006
# Of a single axis, contacts leave up to 0.6 and seem to follow a neighbour with 0.09 left: a mistake is clearer.
_WRONG, _OPPOSITE, _RIGHT = 0.7, 1.5, 0.06


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
        yield from beginnings(context, meaning, found)
        if meaning.action == "joint_position" or len(found) < 2:
            return
        response = self._response(meaning, found)
        if not response:
            yield Note("no axis follows its commands in most episodes")
            return
        for track in found:
            axes = [a for a in response if moves(meaning, track, a)]
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
                taken = [a for a in axes if own[a] < 1 - FOLLOWS]
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
            moving = [t for t in found if moves(meaning, t, axis)]
            if len(moving) < 2:
                continue
            each = [fit(inputs(t, axis), t.moved[1:, axis]) for t in moving]
            typical = np.median([f.coefficients for f in each], axis=0)
            if float(np.median([f.r2 for f in each])) > FOLLOWS:
                response[axis] = typical
        return response

    @staticmethod
    def _reading(track: Track, axes: list[int], response: dict[int, Array], name: str, lag: int = 0) -> Reading:
        return Reading(name, {a: inputs(track, a, lag) @ response[a] for a in axes})

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
        yield f"of {name} are negated", -(inputs(track, axis) @ response[axis])
        for other in range(len(every)):
            if other != axis and other not in taken and every[other].kind is every[axis].kind:
                predicted = inputs(track, other) @ response[axis]
                yield f"of {name} are those of {every[other].name}", predicted
                yield f"of {name} are those of {every[other].name}, negated", -predicted

    @staticmethod
    def _issue(context: Context, meaning: Meaning, track: Track, what: str, own: float, left: float) -> Issue:
        return Issue(
            f"the actions {what} in this episode",
            severity(meaning),
            episode=track.episode,
            feature=action_columns(context.data)[0],
            observed=f"that leaves {left:.0%} of the motion unexplained, as stored {own:.0%}",
        )
