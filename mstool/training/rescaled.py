"""Whether a dataset scales its numbers otherwise than the training did whose weights are the start.

Quantiles of the dataset scale what the policy sees and gives. Weights that learnt with others meet other numbers for
the same pose, and must get used to that first: a PushCube policy's loss rose from 0.07 to 0.4 when its 20 demos were
joined by 60 that reach further.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import NORM_STATS_FILE, read_object
from mstool.dataset.training import ACTION, STATE, Facts
from mstool.errors import DataError
from mstool.paths import quoted

# A dimension is scaled otherwise from this factor on, or where its middle lies so much of its span elsewhere.
_FACTOR, _SHIFT = 1.25, 0.25


def rescaled(weights: Path, facts: Facts) -> str:
    """Say which dimension's scale changed most and of how many it did; "" where none, or where nothing tells.

    Parameters
    ----------
    weights
        A checkpoint's folder.
    facts
        The dataset that is trained on.

    Raises
    ------
    DataError
        The file of norm stats beside the weights is damaged; they do without it.

    """
    path = weights / NORM_STATS_FILE
    without = f"rm {quoted(path)}"
    learnt = read_object(path, fix=without).get("norm_stats", {}) if path.is_file() else {}
    try:
        changed = [found for key in (STATE, ACTION) if key in learnt for found in _changed(key, learnt[key], facts)]
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} holds no norm stats: {error}", fix=without) from error
    if not changed:
        return ""
    _, worst = max(changed)
    more = f", and {len(changed) - 1} more dimensions" if len(changed) > 1 else ""
    return (
        f"the weights learnt with other norm stats: {worst}{more}; they have to get used to these first, and a "
        "training from scratch may be shorter"
    )


def _changed(key: str, learnt: object, facts: Facts) -> Iterator[tuple[float, str]]:
    """Yield how much the scale of each dimension changed, and the words for it."""
    ours = facts.stats.get(key, {})
    if not isinstance(learnt, dict) or not all(name in stats for stats in (learnt, ours) for name in ("q01", "q99")):
        return
    (low, high), (new_low, new_high) = _ends(learnt), _ends(ours)
    if low.shape != new_low.shape:
        return
    for dim, (a, b, c, d) in enumerate(zip(low, high, new_low, new_high, strict=True)):
        if min(b - a, d - c) <= 0:
            continue
        factor = abs(math.log((d - c) / (b - a)))
        if factor > math.log(_FACTOR) or abs(c + d - a - b) / 2 > _SHIFT * (b - a):
            yield factor, f"{key}[{dim}] was {a:.3g} to {b:.3g} and is {c:.3g} to {d:.3g}"


def _ends(stats: Mapping[str, Any]) -> tuple[Array, Array]:
    low, high = np.asarray(stats["q01"], np.float64), np.asarray(stats["q99"], np.float64)
    return low.reshape(-1), high.reshape(-1)
