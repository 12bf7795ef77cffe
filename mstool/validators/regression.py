"""Robust least squares through the origin, with honest error bars on autocorrelated data."""

from dataclasses import dataclass

import numpy as np

from mstool.contract import Array

# A gain below this share of its coefficients' sizes is what is left of their difference: measured 0.00 to 0.02 on
# rotations that no command is meant for, 1.0 on the others.
_CANCELS = 0.25


@dataclass(frozen=True)
class Fit:
    """y = X b + e."""

    # (K,) coefficients and their covariance (K, K).
    coefficients: Array
    covariance: Array
    # Share of y's mean square that X explains.
    r2: float
    n: int

    @property
    def gain(self) -> float:
        """The sum of the coefficients: what a constant command leads to."""
        return float(self.coefficients.sum())

    @property
    def gain_error(self) -> float:
        """Standard error of `gain`."""
        return float(np.sqrt(max(self.covariance.sum(), 0.0)))

    @property
    def cancels(self) -> bool:
        """Whether the coefficients cancel out, so that the gain says nothing.

        Where the arm is shaken about a direction that nobody steers, step and command follow each other with
        coefficients such as -0.53 and 0.52: a constant command then leads nowhere.
        """
        return abs(self.gain) < _CANCELS * float(np.abs(self.coefficients).sum())

    @property
    def certain_sign(self) -> bool:
        """Whether the gain is more than four standard errors from zero."""
        return abs(self.gain) > 4 * self.gain_error and not self.cancels


def fit(x: Array, y: Array) -> Fit:
    """Fit with Huber's weights (iteratively reweighted, k = 1.345 of a robust standard deviation).

    Contacts hold the arm back and lift outliers: their weight falls. Errors are inflated by sqrt((1 + r) / (1 - r)) of
    the residuals' lag-one correlation r, since successive frames are not independent (Bartlett's formula for AR(1)).

    Parameters
    ----------
    x
        (n, K).
    y
        (n,).

    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    weights = np.ones(len(y))
    coefficients = np.zeros(x.shape[1])
    for _ in range(8):
        root = np.sqrt(weights)
        coefficients = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
        residual = y - x @ coefficients
        scale = 1.4826 * np.median(np.abs(residual)) + 1e-12
        weights = 1 / np.maximum(1, np.abs(residual) / (1.345 * scale))
    weighted = weights * residual
    total = float((weights * y**2).sum())
    r2 = 1 - float((weighted * residual).sum()) / total if total > 0 else 0.0
    return Fit(coefficients, _covariance(x, weights, residual), r2, len(y))


def _covariance(x: Array, weights: Array, residual: Array) -> Array:
    square = (x * weights[:, None]).T @ x
    free = max(len(residual) - x.shape[1], 1)
    variance = float((weights * residual**2).sum()) / free
    spread = float((residual**2).sum())
    r = float(residual[1:] @ residual[:-1]) / spread if spread > 0 else 0.0
    r = min(max(r, 0.0), 0.95)
    inflation = (1 + r) / (1 - r)
    result: Array = np.linalg.pinv(square) * variance * inflation
    return result
