"""Intervals of a success rate, and the exact test of two policies on the same seeds."""

import math

# Standard normal quantile of a two-sided 95 % interval.
Z_95 = 1.959963984540054


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion, without continuity correction; (0, 1) without trials.

    (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), E. B. Wilson 1927, JASA 22, p. 209.
    """
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    middle = rate + z * z / (2 * trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low, high = (middle - half) / scale, (middle + half) / scale
    # Exactly 0 and 1 at the ends, where rounding may leave 1e-17.
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p value of McNemar's exact test.

    Under the null hypothesis, the pairs of which one alone succeeded are coin flips: 2 P(X <= min(b, c)) for
    X ~ Binomial(b + c, 1/2), at most 1.
    """
    trials = only_first + only_second
    if trials == 0:
        return 1.0
    tail = sum(math.comb(trials, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**trials)
