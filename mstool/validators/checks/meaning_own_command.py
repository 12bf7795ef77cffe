"""MS510: whether each axis follows its own command."""

from collections.abc import Iterator

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import action_columns, dimension
from mstool.validators.axes import axes_of
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.followed import FEW, FOLLOWS, inputs, moves, severity
from mstool.validators.regression import fit
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import tracks

# An axis that is explained so little by a command does not follow it.
_DOES_NOT = 0.6


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
            moving = [t for t in found if moves(meaning, t, axis)]
            if moving and sum(len(t.moved) for t in moving) >= 2 * FEW:
                moved = np.concatenate([t.moved[1:, axis] for t in moving])
                by = [np.concatenate([inputs(t, other) for t in moving]) for other in range(len(every))]
                shares[axis] = [_share(moved, commands) for commands in by]
        for axis, by_each in shares.items():
            best = max(range(len(by_each)), key=lambda other: by_each[other][0])
            # A hand that presses on something seems to follow what its free axes do, which follow their own commands.
            taken = best in shares and shares[best][best][0] > FOLLOWS
            if best != axis and by_each[axis][0] < _DOES_NOT and by_each[best][0] > FOLLOWS and not taken:
                column, index, name = dimension(context.data, action_columns(context.data), axis)
                how = "the opposite of " if by_each[best][1] < 0 else ""
                yield Issue(
                    f"{every[axis].name} follows {how}the command of {every[best].name}",
                    severity(meaning),
                    feature=column,
                    dimension=index,
                    observed=f"explained by {by_each[best][0]:.2f}, by its own command ({name}) {by_each[axis][0]:.2f}",
                )
        if not shares:
            raise Skip("no axis moves enough")
        yield Note(f"{len(shares)} axes move enough to tell")
