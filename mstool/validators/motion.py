"""How each axis answers its commands, over all episodes together."""

import numpy as np

from mstool.contract import Array
from mstool.validators.axes import axes_of
from mstool.validators.check import Skip
from mstool.validators.meanings import Meaning
from mstool.validators.regression import Fit, fit
from mstool.validators.report import Curve
from mstool.validators.tracks import Track, is_pushed

_FEW = 40
# An axis whose commands explain less of its motion says nothing of its sign or unit.
CLEAR = 0.3


def axis_fits(meaning: Meaning, found: list[Track]) -> dict[int, Fit]:
    """Fit each axis that its commands move: step t on those of t and t - 1, because the arm lags behind."""
    moved, commanded, previous = stacked(found)
    fits = {}
    for i, axis in enumerate(axes_of(meaning)):
        size = np.sqrt(np.mean(moved[:, i] ** 2))
        if len(moved) >= _FEW and size > axis.still and not is_pushed(found, i):
            x = np.stack([commanded[:, i], previous[:, i]], axis=1)
            fits[i] = fit(x, moved[:, i])
    return fits


def stacked(found: list[Track]) -> tuple[Array, Array, Array]:
    """Return the steps of all episodes, (n, D): motion, the commands, and those of the step before."""
    usable = [track for track in found if len(track.moved) > 2]
    if not usable:
        raise Skip("no episode is long enough")
    moved = np.concatenate([track.moved[1:] for track in usable])
    commanded = np.concatenate([track.commanded[1:] for track in usable])
    previous = np.concatenate([track.commanded[:-1] for track in usable])
    return moved, commanded, previous


def scatter(meaning: Meaning, found: list[Track], axis: int) -> Curve:
    """Plot what was done against what was commanded."""
    moved, commanded, _ = stacked(found)
    name, unit = axes_of(meaning)[axis].name, axes_of(meaning)[axis].kind.unit
    pick = np.linspace(0, len(moved) - 1, min(len(moved), 400)).round().astype(int)
    points = (name, commanded[pick, axis], moved[pick, axis])
    return Curve(
        f"{name}: commanded and measured step", f"commanded, {unit}", f"measured, {unit}", (points,), scatter=True
    )
