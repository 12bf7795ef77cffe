"""MS502 and MS504: whether a positive command moves the robot positively."""

from collections.abc import Iterator

from mstool.dataset.vectors import action_columns, dimension
from mstool.validators.axes import AxisKind, axes_of
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.meanings import SETTLE
from mstool.validators.motion import CLEAR, axis_fits, scatter
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import tracks


class _Directions(Check):
    """What MS502 and MS504 share: the sign of each axis of one kind."""

    kinds: tuple[AxisKind, ...]

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Fit each axis and look at the sign."""
        meaning, found = tracks(context)
        axes = axes_of(meaning)
        if not any(axis.kind in self.kinds for axis in axes):
            raise Skip(f"the actions ({meaning.action}) have no such axis")
        fits = {i: f for i, f in axis_fits(meaning, found).items() if axes[i].kind in self.kinds}
        if not fits:
            raise Skip("too little motion on these axes that commands cause")
        columns = action_columns(context.data)
        told, opposite = [], []
        for axis, result in fits.items():
            text = (
                f"{axes[axis].name}: gain {result.gain:+.2f} ± {2 * result.gain_error:.2f} (95 %, {result.n} steps, "
                f"R² {result.r2:.2f})"
            )
            certain = result.r2 >= CLEAR and result.certain_sign
            told.append(text if certain else f"{axes[axis].name}: unclear")
            if certain and result.gain < 0:
                opposite.append((axis, text))
        if not any("gain" in text for text in told):
            raise Skip("motion and commands go together too loosely to tell a sign")
        if meaning.source == "numbers" and opposite:
            raise Skip(f"nothing declares the axes' frame; by the numbers {'; '.join(told)}; {SETTLE}")
        for axis, text in opposite:
            column, index, name = dimension(context.data, columns, axis)
            yield Issue(
                f"a positive command moves {axes[axis].name} ({name}) negatively: {text}",
                meaning.severity,
                feature=column,
                dimension=index,
                observed=f"gain {fits[axis].gain:+.2f}",
                expected="positive",
                evidence=(scatter(meaning, found, axis),),
                fix=meaning.fix,
            )
        yield Note(f"meaning {meaning.said}; " + "; ".join(told))


@register
class PositionDirection(_Directions):
    """MS502."""

    code, family = "MS502", "meaning"
    kinds = (AxisKind.POSITION, AxisKind.JOINT)
    title = "a positive position or joint command moves the robot positively"
    meaning = "the model learns to move away from where the images say; pretrained weights make it worse"
    fix = "write the actions in the frame of the state where they are made, as mstool convert does"


@register
class RotationDirection(_Directions):
    """MS504."""

    code, family = "MS504", "meaning"
    kinds = (AxisKind.ROTATION,)
    title = "a positive rotation command turns the end effector positively"
    meaning = (
        "ManiSkill's Panda turns negatively for a positive action, LIBERO's positively: a pretrained policy "
        "turns the wrong way"
    )
    fix = (
        "convert the demos with mstool convert --layout libero, which turns the sign; do not store ManiSkill's own "
        "rotation actions for pi05_libero"
    )
