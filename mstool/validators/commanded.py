"""How much of each episode's motion its commands explain, and whether others' would explain it as well."""

import numpy as np

from mstool.contract import Array
from mstool.validators.regression import Fit, fit
from mstool.validators.tracks import Track, is_pushed

# An episode whose commands explain less than this share of what is typical belongs to other states, unless contacts
# explain it: what agrees with the commands then is nearly what is typical (0.92 to 1.00 of it over six tasks).
ODD_EPISODE, CONTACT = 0.3, 0.85
# An axis follows its commands when they explain more than this share of its motion.
FOLLOWS = 0.8
# An episode that moves less than this share of what all do (mean squares) says nothing.
_LITTLE = 0.1
# Orders of its own commands that an episode's motion is compared with.
_SHUFFLES = 50


class Commanded:
    """Share of each episode's motion that commands explain, with coefficients fitted on all of them."""

    def __init__(self, found: list[Track]) -> None:
        # (T - 1, axes, 2): the commands of a step and of the one before; (T - 1, axes): what the hand then did.
        self.inputs = [np.stack([t.commanded[1:], t.commanded[:-1]], axis=2) for t in found]
        self.outputs = [t.moved[1:] for t in found]
        everything, moved = np.concatenate(self.inputs), np.concatenate(self.outputs)
        self.scale = (moved**2).mean(axis=0)
        # Huber's weights: the few episodes that do not belong must not set the coefficients.
        fits = {a: fit(everything[:, a], moved[:, a]) for a in np.flatnonzero(self.scale > 1e-12)}
        # Axes that follow their commands; on the others the arm only shakes, in some tasks more than in others.
        self.fits = {a: f for a, f in fits.items() if f.r2 > FOLLOWS} or fits
        # The others are pushed: their commands answer the motion, which tells episodes apart but explains nothing.
        self.steered = {a: f for a, f in self.fits.items() if not is_pushed(found, a)}

    def scores(self) -> list[tuple[float, float]]:
        """Return each episode's share.

        Beside it the share that agrees with its commands if something may stand in the way: a hand that presses on the
        table moves less than commanded, along any axis, but neither further nor the other way.
        """
        return [
            (1.0, 1.0) if self._is_still(moved) else self._score(commands, moved, self.steered)
            for commands, moved in zip(self.inputs, self.outputs, strict=True)
        ]

    def _is_still(self, moved: Array) -> bool:
        share = [float((moved[:, a] ** 2).mean()) / self.scale[a] for a in self.steered]
        return sum(share) <= _LITTLE * len(share)

    def unlike_others(self, number: int) -> bool:
        """Say whether an episode's own commands explain it better than any other's, and than themselves shuffled.

        A hand that is caught on something moves as no free one does, and yet as its own commands have it rather than
        as others would; of commands that are another's, or in another order, that is not so.
        """
        own, moved = self.inputs[number], self.outputs[number]
        rng = np.random.default_rng(0)
        rivals = [each for i, each in enumerate(self.inputs) if i != number]
        rivals += [rng.permutation(own) for _ in range(_SHUFFLES)]
        for rival in rivals:
            rows = slice(min(len(own), len(rival)))
            its_own = self._score(own[rows], moved[rows], self.fits)[1]
            if self._score(rival[rows], moved[rows], self.fits)[1] >= its_own:
                return False
        return True

    def _score(self, inputs: Array, moved: Array, fits: dict[int, Fit]) -> tuple[float, float]:
        left = blocked = total = 0.0
        for axis, result in fits.items():
            predicted, done = inputs[:, axis] @ result.coefficients, moved[:, axis]
            nearest = np.clip(done, np.minimum(predicted, 0), np.maximum(predicted, 0))
            left += float(((done - predicted) ** 2).sum()) / self.scale[axis]
            blocked += float(((done - nearest) ** 2).sum()) / self.scale[axis]
            total += float((done**2).sum()) / self.scale[axis]
        return (1 - left / total, 1 - blocked / total) if total > 0 else (1.0, 1.0)
