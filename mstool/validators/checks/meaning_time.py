"""MS505: whether a frame holds the action that is executed after its observation."""

from collections.abc import Iterator

import numpy as np

from mstool.dataset.vectors import action_columns
from mstool.validators.axes import AxisKind, axes_of
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.commanded import FOLLOWS, ODD_EPISODE, Commanded
from mstool.validators.report import Curve, Issue, Note, Severity
from mstool.validators.tracks import explained_share, moving_axes, tracks

# Unexplained motion relative to that of the causal model: on good data 1.0 with the next action added, and 1.04 to 3.7
# with the present one removed (six axes of PickCube); one frame late it is 0.3 to 0.9, one frame early 1.0.
_EXPLAINS_MORE, _ADDS_NOTHING = 0.7, 1.1
# How much more an axis leaves unexplained at its natural shift than at an earlier one: 2.5 and 13 on PickCube's with
# actions one frame early, 1.00 on a good PushCube's, which contacts hold back.
_EARLIER = 1.3
# What a hand pushes holds back one axis, and a shift in time all of them: over fewer episodes than these, where
# contacts are not averaged out, all axes together must leave so much more. One axis alone calls 24 % of good PushCube's
# single episodes early, 8 % of pairs and triples, 0.5 % of six and none of eight; all together none of any.
_ENOUGH_EPISODES, _EARLIER_TOGETHER = 8, 1.5


def _earlier(explained: list[dict[int, float]], natural: list[int]) -> tuple[float, float]:
    """Return how many times less actions earlier than the natural ones leave unexplained: of one axis, and of all.

    Parameters
    ----------
    explained
        Share of each axis' motion that a shift explains: {frames: share}.
    natural
        The shift that each axis has where actions are on time.

    """
    ahead = range(1, max(explained[0]) - max(natural) + 1)
    ratios = np.array(
        [
            [(1 - e[n] + 1e-9) / (1 - e[n + more] + 1e-9) for more in ahead]
            for e, n in zip(explained, natural, strict=True)
        ]
    )
    return float(ratios.max()), float(ratios.prod(axis=0).max())


@register
class Alignment(Check):
    """MS505."""

    code, family = "MS505", "meaning"
    title = "frame t holds the action that is executed after its observation"
    meaning = "with actions one frame off the policy learns to answer late, or to know what it cannot"
    fix = (
        "pair observation t with action t and drop the last observation; never pair source observations with "
        "converted actions"
    )
    LAGS = range(-4, 5)

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """See at which shift the commands explain the motion, and whether the future explains the present."""
        meaning, found = tracks(context)
        # Whether a shift explains more hangs on no sign or unit, but on what is the action of what.
        severity: Severity = "warning" if meaning.source == "numbers" else "error"
        if len(found) > 1:
            # An episode with another's actions says nothing of the shift: MS509 reports it.
            scores = [explained for explained, _ in Commanded(found).scores()]
            found = [
                t for t, score in zip(found, scores, strict=True) if score >= ODD_EPISODE * float(np.median(scores))
            ]
        axes = moving_axes(meaning, found)
        absolute = meaning.action == "joint_position"
        single = {a: {lag: explained_share(found, [a], [lag], absolute=absolute) for lag in self.LAGS} for a in axes}
        # Axes that follow their commands; those moved by contacts blur the picture.
        axes = [a for a in axes if max(single[a].values()) > FOLLOWS] or axes
        bests = [max(single[a], key=lambda lag, a=a: single[a][lag]) for a in axes]  # type: ignore[misc]
        # A position trails its command by up to a frame; a rotation or a joint does not.
        every = axes_of(meaning)
        natural = [1 if every[a].kind is AxisKind.POSITION else 0 for a in axes]
        if not axes or max(len(track.moved) for track in found) < 20:
            raise Skip("too little motion to tell")
        explained = {lag: explained_share(found, axes, [lag], absolute=absolute) for lag in self.LAGS}
        best = max(explained, key=lambda lag: explained[lag])
        if absolute:
            yield from self._absolute(context, explained, best, severity)
            return
        causal = explained_share(found, axes, [0, 1, 2])
        # What each axis leaves unexplained with the next frame's action added, and with the present one's taken away.
        left = [1 - explained_share(found, [a], [0, 1, 2]) + 1e-9 for a in axes]
        added = [
            (1 - explained_share(found, [a], [-1, 0, 1, 2])) / before for a, before in zip(axes, left, strict=True)
        ]
        removed = [(1 - explained_share(found, [a], [1, 2, 3])) / before for a, before in zip(axes, left, strict=True)]
        text = f"commands explain {causal:.0%} of the motion after them; best at a shift of {best} frames"
        yield Note(text, (self._curve(explained),))
        column = action_columns(context.data)[0]
        if max(explained.values()) < 0.3:
            yield Issue(
                f"the actions do not explain the motion at any shift from {self.LAGS[0]} to {self.LAGS[-1]} "
                f"frames (R² {explained[best]:.2f})",
                severity,
                feature=column,
                observed=f"R² {explained[best]:.2f}",
                expected="above 0.3",
                evidence=(self._curve(explained),),
            )
        elif float(np.median(added)) < _EXPLAINS_MORE and max(bests) <= 0:
            yield Issue(
                f"motion is explained by the action of the frame after it, which leaves {np.median(added):.0%} of what "
                f"else is unexplained: actions are late by {max(1, -best)}",
                severity,
                feature=column,
                observed=f"shift {min(best, -1)}",
                expected="shift 0 or 1",
                evidence=(self._curve(explained),),
            )
        elif max(removed) < _ADDS_NOTHING and min(bests) >= 1:
            alone, together = _earlier([single[a] for a in axes], natural)
            if alone <= _EARLIER:
                return
            if len(found) < _ENOUGH_EPISODES and together <= _EARLIER_TOGETHER:
                yield Note(
                    "an axis follows earlier actions better, which contacts do as well as a shift: "
                    f"{len(found)} episodes do not tell which"
                )
                return
            yield Issue(
                f"the action of a frame has no part in the motion that follows it: actions are early by {max(1, best)}",
                severity,
                feature=column,
                observed=f"shift {best}",
                expected="shift 0 or 1",
                evidence=(self._curve(explained),),
            )

    def _absolute(
        self, context: Context, explained: dict[int, float], best: int, severity: Severity
    ) -> Iterator[Issue | Note]:
        """Compare shifts: target minus present state is what the arm has yet to go: it explains the next step."""
        yield Note(
            f"targets explain {explained[0]:.0%} of the next step; best at a shift of {best} frames",
            (self._curve(explained),),
        )
        if best != 0 and (1 - explained[best]) < 0.5 * (1 - explained[0]):
            yield Issue(
                f"targets of {abs(best)} frames {'later' if best < 0 else 'earlier'} explain the motion better "
                f"(R² {explained[best]:.3f} against {explained[0]:.3f})",
                severity,
                feature=action_columns(context.data)[0],
                observed=f"shift {best}",
                expected="shift 0",
                evidence=(self._curve(explained),),
            )

    @staticmethod
    def _curve(explained: dict[int, float]) -> Curve:
        lags = np.array(list(explained))
        line = ("explained share", lags, np.array([explained[lag] for lag in explained]))
        return Curve("motion explained by the command some frames before", "shift, frames", "R²", (line,))
