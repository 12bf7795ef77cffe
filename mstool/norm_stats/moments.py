"""Mean, standard deviation, least and greatest value of a weighted stream, in two passes.

The deviation is summed about the mean that the first pass found: the one-pass formula E[x^2] - E[x]^2 that openpi and
LeRobot use loses all digits when the mean is large against the spread (`index`, `timestamp`).
"""

import math

import numpy as np
import numpy.typing as npt


class Moments:
    """First and second moment of one dimension; population standard deviation (divided by n), as numpy's default."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum = math.inf
        self.maximum = -math.inf
        self._sums: list[float] = []
        self._squares: list[float] = []
        self._mean = math.nan

    def add(self, values: npt.NDArray[np.floating], weights: npt.NDArray[np.int64] | None) -> None:
        """First pass: take finite values, shape (m,), each counted `weights` times."""
        self.count += values.size if weights is None else int(weights.sum())
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        # Not np.dot: BLAS threads cost more than they save on pieces this small, and wait for busy cores.
        total = values.sum(dtype=np.float64) if weights is None else (values.astype(np.float64) * weights).sum()
        self._sums.append(float(total))

    def end_first_pass(self) -> None:
        """Fix the mean."""
        self._mean = math.fsum(self._sums) / self.count if self.count else math.nan

    def add_again(self, values: npt.NDArray[np.floating], weights: npt.NDArray[np.int64] | None) -> None:
        """Second pass over the same values."""
        gap = values.astype(np.float64) - self._mean
        gap *= gap
        self._squares.append(float(gap.sum() if weights is None else (gap * weights).sum()))

    @property
    def mean(self) -> float:
        """The mean; exactly the value itself where all values are equal."""
        return self.minimum + 0.0 if self.minimum == self.maximum else self._mean

    @property
    def std(self) -> float:
        """The population standard deviation; exactly 0 where all values are equal."""
        if self.count == 0:
            return math.nan
        return 0.0 if self.minimum == self.maximum else math.sqrt(math.fsum(self._squares) / self.count)
