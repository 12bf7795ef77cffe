"""What can be wrong with a dimension's range: one function per kind, each with a stable code and what to do.

NS101 NaN or infinite (an error: nothing is written)
NS102 constant                 NS103 near-constant: q99 - q01 is near openpi's 1e-6
NS104 q99 - q01 is narrow against the std
NS105 gripper action is not bimodal
NS106 looks like degrees       NS107 looks like millimetres
NS108 delta applied twice (wrong, unless the config itself does so)
NS109 delta missing
NS110 too few frames for 1 %   NS111 one-frame episodes
NS112 config and layout differ (wrong)
NS113 float64 values that float32, in which models train, cannot tell apart
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mstool.dataset.files import INFO_FILE
from mstool.norm_stats.shape import BINS, Shape
from mstool.norm_stats.summary import VectorStats

ERROR = "error"
# What was asked for contradicts the data: the statistics would be wrong, and are written with --force alone.
WRONG = "wrong"
WARNING = "warning"

# A range up to 100 times openpi's epsilon: the epsilon changes the result by 1 % and noise fills the range.
NEAR_CONSTANT = 1e-4
# A normal distribution has q99 - q01 = 4.65 std, a uniform one 3.4, two equal peaks 2.
NARROW = 0.5
# Share of a gripper's commands that lie in the outer fifths of its range, and the least share of either end.
BIMODAL = 0.8
END = 0.005
_FIFTH = BINS // 5
# A joint turns less than this many radians; an arm's workspace is smaller than this many metres.
RADIANS = 7.0
METRES = 5.0
# What neither a metre nor a radian reaches, for dimensions nobody named.
UNNAMED = 20.0
_ANGLE = re.compile(r"roll|pitch|yaw|rot|axis.?angle|joint|qpos|(^|[_.])(rx|ry|rz|wx|wy|wz)($|[_.])")
_LENGTH = re.compile(r"finger|position|pos($|[_.])|(^|[_.])(x|y|z|dx|dy|dz)($|[_.])")
_OWN_UNIT = "leave it if it is the robot's own unit, as degrees are of LeRobot's SO-101: quantiles normalise any unit"
# float32 steps of more than this share of a range coarsen it.
_COARSE = 0.01
# 1 % of a population means something from here on.
FEW = 200


@dataclass(frozen=True)
class Problem:
    """One thing wrong, where, and what to do about it."""

    code: str
    severity: str
    # "state", "actions", or a feature's name; "" for the dataset as a whole.
    key: str
    # The dimension, or None for all.
    dim: int | None
    name: str
    message: str
    fix: str


@dataclass(frozen=True)
class StatsVector:
    """A model input or output with everything the checks look at."""

    key: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    stats: VectorStats
    shape: Shape
    # Dimensions that hold a gripper command.
    gripper: tuple[int, ...]


def range_problems(vector: StatsVector) -> Iterator[Problem]:
    """Check each dimension's range against its spread (NS102, NS103, NS104)."""
    stats = vector.stats
    for dim, name in enumerate(vector.names):
        gap, std = float(stats.q99[dim] - stats.q01[dim]), float(stats.std[dim])
        if not np.isfinite(gap):
            continue
        extreme = float(vector.shape.extreme[dim])
        if stats.min[dim] == stats.max[dim]:
            message = (
                f"constant at {stats.min[dim]:.6g}: becomes -1, and any other value at run time is blown up 2e6 times"
            )
            fix = "check that the layout fills this dimension; if so, set q01 and q99 by hand to a physical range"
            yield Problem("NS102", WARNING, vector.key, dim, name, message, fix)
        elif gap <= NEAR_CONSTANT:
            message = f"near-constant: q99 - q01 is {gap:.3g}, so values reach {extreme:.3g} once normalised"
            fix = "record episodes in which it moves, or set q01 and q99 by hand to a physical range"
            yield Problem("NS103", WARNING, vector.key, dim, name, message, fix)
        elif gap < NARROW * std:
            message = (
                f"q99 - q01 is {gap:.3g} but the std is {std:.3g}: rare values reach {extreme:.3g} once normalised"
            )
            fix = "look at the outliers (--plot stats.png): drop the episodes they come from, or clip them"
            yield Problem("NS104", WARNING, vector.key, dim, name, message, fix)


def gripper_problems(vector: StatsVector) -> Iterator[Problem]:
    """Check that gripper commands sit at two ends (NS105)."""
    for dim in vector.gripper:
        counts = vector.shape.histogram[dim]
        total = int(counts.sum())
        if total == 0:
            continue
        low, high = counts[:_FIFTH].sum() / total, counts[-_FIFTH:].sum() / total
        constant = vector.stats.min[dim] == vector.stats.max[dim]
        if constant or low + high < BIMODAL or min(low, high) < END:
            ends = [f"{low:.1%} are near {vector.stats.min[dim]:.4g}", f"{high:.1%} near {vector.stats.max[dim]:.4g}"]
            where = f"it never leaves {vector.stats.min[dim]:.4g}" if constant else ", ".join(ends)
            message = f"the gripper command is not bimodal: {where}"
            fix = "check that this dimension is the gripper, and that the episodes open and close it"
            yield Problem("NS105", WARNING, vector.key, dim, vector.names[dim], message, fix)


def unit_problems(vector: StatsVector) -> Iterator[Problem]:
    """Check magnitudes against what radians and metres can be (NS106, NS107)."""
    for dim, (shown, unit) in enumerate(zip(vector.names, vector.units, strict=True)):
        size = float(max(abs(vector.stats.q01[dim]), abs(vector.stats.q99[dim])))
        # LeRobot calls any motor's position `.pos`, in whatever unit the robot has.
        name = shown.removesuffix(".pos")
        angle = unit == "rad" or (not unit and _ANGLE.search(name.lower()) is not None)
        length = unit == "m" or (not unit and not angle and _LENGTH.search(name.lower()) is not None)
        unnamed = not unit and name == str(dim)
        if size > RADIANS and angle:
            message = f"reaches {size:.4g}, more than a joint turns in radians: these look like degrees"
            fix = "multiply by pi / 180 before writing the dataset" if unit else _OWN_UNIT
            yield Problem("NS106", WARNING, vector.key, dim, shown, message, fix)
        elif size > METRES and length:
            message = f"reaches {size:.4g}, more than an arm's reach in metres: these look like millimetres"
            fix = "divide by 1000 before writing the dataset" if unit else _OWN_UNIT
            yield Problem("NS107", WARNING, vector.key, dim, shown, message, fix)
        elif size > UNNAMED and unnamed:
            message = f"reaches {size:.4g}: neither metres nor radians; degrees or millimetres?"
            fix = f"name the dimensions in {INFO_FILE}; {_OWN_UNIT}"
            yield Problem("NS106", WARNING, vector.key, dim, shown, message, fix)


def rounding_problems(key: str, names: Sequence[str], stats: VectorStats) -> Iterator[Problem]:
    """Check that float32, in which models read the data, tells a feature's values apart (NS113)."""
    for dim, name in enumerate(names):
        reach, size = float(stats.max[dim] - stats.min[dim]), float(max(abs(stats.min[dim]), abs(stats.max[dim])))
        if not np.isfinite(reach) or size > np.finfo(np.float32).max:
            continue
        step = float(np.spacing(np.float32(size)))
        if reach > 0 and step > _COARSE * reach:
            message = (
                f"values range over {reach:.3g} about {stats.mean[dim]:.6g}, where float32 knows steps of {step:.3g}: "
                "models read them rounded, and these statistics are of what models read"
            )
            fix = "subtract an origin where the dataset is made, so that values lie near 0"
            yield Problem("NS113", WARNING, key, dim, name, message, fix)


def nonfinite_problems(
    key: str, names: Sequence[str], stats: VectorStats, place: str, severity: str
) -> Iterator[Problem]:
    """Report NaN and infinity (NS101)."""
    for dim in map(int, np.flatnonzero(stats.nonfinite)):
        message = f"{stats.nonfinite[dim]} of {stats.count} values are NaN or infinite{place}"
        yield Problem(
            "NS101", severity, key, dim, names[dim], message, "drop those episodes, or write the missing values"
        )


def size_problems(frames: int, one_frame: int) -> Iterator[Problem]:
    """Check that there is enough to take 1 % of (NS110, NS111)."""
    if frames < FEW:
        message = f"{frames} frames: q01 and q99 are little more than the least and greatest value"
        yield Problem(
            "NS110", WARNING, "", None, "", message, "record more episodes before training on these statistics"
        )
    if one_frame:
        message = f"episodes of one frame: {one_frame}; each counts as one action repeated over the whole window"
        yield Problem("NS111", WARNING, "", None, "", message, "drop them unless they are meant")
