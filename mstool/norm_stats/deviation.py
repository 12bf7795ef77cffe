"""An existing statistics file against exact values: what is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan
from pathlib import Path

# In units in which q01..q99 is -1..1, so 2 wide: a hundredth of that width.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Deviation:
    """One dimension of a file against the exact values."""

    key: str
    dim: int
    name: str
    # Which of q01, q99, mean and std is furthest off.
    worst: str
    file: float
    exact: float
    # (file - exact) / (q99 - q01 + 1e-6) * 2 with the exact q01 and q99: how far the file moves the edge of [-1, 1].
    off: float
    # The same for each statistic the file has.
    each: Mapping[str, float]

    @property
    def fine(self) -> bool:
        """Whether it is within the tolerance; NaN is not."""
        return abs(self.off) <= TOLERANCE


@dataclass(frozen=True)
class FileCheck:
    """What a file says of every dimension, against the exact values."""

    path: Path
    deviations: tuple[Deviation, ...]
    # Settings that the file notes otherwise, in words.
    differing: tuple[str, ...]

    @property
    def off(self) -> tuple[Deviation, ...]:
        """The dimensions beyond the tolerance, the worst first."""
        wrong = [deviation for deviation in self.deviations if not deviation.fine]
        return tuple(sorted(wrong, key=lambda each: -inf if isnan(each.off) else -abs(each.off)))


def deviation_rows(deviations: Sequence[Deviation]) -> list[dict[str, object]]:
    """Lay deviations out for a table."""
    return [
        {
            "key": deviation.key,
            "dim": deviation.dim,
            "name": deviation.name,
            "worst": deviation.worst,
            "file": f"{deviation.file:.6g}",
            "exact": f"{deviation.exact:.6g}",
            **{f"off {name}": f"{deviation.each[name]:+.4f}" for name in deviation.each},
            "verdict": "ok" if deviation.fine else "OFF",
        }
        for deviation in deviations
    ]
