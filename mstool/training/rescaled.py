"""Whether a dataset scales its numbers otherwise than the training did whose weights are the start.

Quantiles of the dataset scale what the policy sees and gives. Weights that learnt with others meet other numbers for
the same pose, and must get used to that first: a PushCube policy's loss rose from 0.07 to 0.4 when its 20 demos were
joined by 60 that reach further.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mstool.contract import Array
from mstool.dataset.training import ACTION, STATE, Facts
from mstool.dataset.training_stats import checkpoint_stats

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
        The norm stats beside the weights are damaged; they do without.

    """
    learnt = checkpoint_stats(weights)
    if learnt is None:
        return ""
    changed = [*_changed(STATE, learnt.state, facts), *_changed(ACTION, learnt.action, facts)]
    if not changed:
        return ""
    _, worst = max(changed)
    more = f", and {len(changed) - 1} more dimensions" if len(changed) > 1 else ""
    return (
        f"the weights learnt with other norm stats: {worst}{more}; they have to get used to these first, and a "
        "training from scratch may be shorter"
    )


def _changed(key: str, learnt: Mapping[str, Array], facts: Facts) -> Iterator[tuple[float, str]]:
    """Yield how much the scale of each dimension changed, and the words for it."""
    ours = facts.stats.get(key, {})
    if not all(name in stats for stats in (learnt, ours) for name in ("q01", "q99")):
        return
    low, high = learnt["q01"], learnt["q99"]
    new_low, new_high = (np.asarray(ours[name], np.float64).reshape(-1) for name in ("q01", "q99"))
    if low.shape != new_low.shape:
        return
    for dim, (a, b, c, d) in enumerate(zip(low, high, new_low, new_high, strict=True)):
        if min(b - a, d - c) <= 0:
            continue
        factor = abs(math.log((d - c) / (b - a)))
        if factor > math.log(_FACTOR) or abs(c + d - a - b) / 2 > _SHIFT * (b - a):
            yield factor, f"{key}[{dim}] was {a:.3g} to {b:.3g} and is {c:.3g} to {d:.3g}"
