"""The quantile definition: numpy's default, over an implied population that is never built.

`numpy.quantile(x, q)` with `method="linear"` (Hyndman and Fan's type 7): with the population sorted as x[0..n-1] and
v = (n - 1) q, the quantile lies between x[floor(v)] and x[floor(v) + 1] at the fraction v - floor(v). The
order statistics are found exactly; the interpolation is done in float64 by the same formula as numpy's, so the
result equals `numpy.quantile(population.astype(float64), q)` bit for bit.
"""

from collections.abc import Sequence

import numpy as np

# Those that LeRobot 0.6.1 stores (`datasets/compute_stats.py`, DEFAULT_QUANTILES).
QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
NAMES = ("q01", "q10", "q50", "q90", "q99")
BY_NAME = dict(zip(NAMES, QUANTILES, strict=True))


def neighbours(count: int, quantiles: Sequence[float]) -> list[tuple[int, int, float]]:
    """Give, for each quantile of `count` values, the two ranks around it and the fraction between them."""
    found = []
    for quantile in quantiles:
        virtual = (count - 1) * float(quantile)
        low = min(int(np.floor(virtual)), count - 1)
        found.append((low, min(low + 1, count - 1), virtual - low))
    return found


def interpolate(low: float, high: float, fraction: float) -> float:
    """Go `fraction` of the way from `low` to `high`, from the nearer end as numpy's `_lerp` does.

    Measuring from the nearer end keeps the result monotonic in `fraction` and equal to `high` at 1.
    """
    gap = high - low
    return high - gap * (1 - fraction) if fraction >= 0.5 else low + gap * fraction
