"""MS512: whether the axis that follows best does so as its controller does."""

from collections.abc import Iterator

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import action_columns
from mstool.validators.axes import AxisKind, axes_of
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.followed import FEW, inputs, moves
from mstool.validators.meanings import Meaning
from mstool.validators.report import Issue, Note, Severity
from mstool.validators.tracks import Track, tracks

# The best axis is explained at least so much, and reaches what is known within this factor.
# A single episode in contact was seen at 0.76.
_CLEAN, _CLEAN_ALONE, _GAIN_FACTOR, _ALIKE = 0.93, 0.7, 1.18, 1.12
# How far successive commands or steps jump: up to 0.10 of their squares where contacts leave much unexplained, 0.15 and
# more with noise of half of the commands' size, or every tenth frame left out.
_JUMPS = 0.12


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
        moving = [t for t in members if moves(meaning, t, axis)]
        # An arm that stands still while it is told to move presses on something, as at the end of a push.
        going = [np.flatnonzero(_goes(meaning, t, axis)) for t in moving]
        if sum(map(len, going)) <= FEW:
            return None
        moved = np.concatenate([t.moved[1:, axis][at] for t, at in zip(moving, going, strict=True)])
        x = np.concatenate([inputs(t, axis)[at] for t, at in zip(moving, going, strict=True)])
        # Not Huber's: noise must count in full.
        coefficients = np.linalg.lstsq(x, moved, rcond=None)[0]
        share = 1 - float(((moved - x @ coefficients) ** 2).sum()) / float((moved**2).sum())
        return share, float(coefficients.sum())
