"""The batch of a training step whose loss is not a number."""

import math
from collections.abc import Mapping
from typing import Any

_SHOWN = 8


class BrokenLoss(Exception):  # noqa: N818  # turned into a DataError where the options are known
    """Loss or gradient of a step is NaN or infinite."""

    def __init__(self, step: int, loss: float, gradient: float, batch: str) -> None:
        super().__init__(f"step {step}: loss {loss}, gradient norm {gradient}; {batch}")
        self.step = step
        self.loss = loss
        self.gradient = gradient
        self.batch = batch


def is_broken(loss: float, gradient: float) -> bool:
    """Tell whether a step has spoilt the weights. Of several processes all see the gradient, so all stop."""
    return not (math.isfinite(loss) and math.isfinite(gradient))


def describe(batch: Mapping[str, Any]) -> str:
    """Name the columns of a batch that hold numbers that are not finite, with their frames; else all its frames."""
    import torch

    for key, value in batch.items():
        if not (isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim()):
            continue
        bad = ~torch.isfinite(value.reshape(len(value), -1)).all(dim=1)
        if bad.any():
            return f"{key} is not finite in {_frames(batch, bad.nonzero().flatten().tolist())}"
    return f"all inputs are finite; the batch was {_frames(batch, None)}"


def _frames(batch: Mapping[str, Any], rows: list[int] | None) -> str:
    index, episode = batch.get("index"), batch.get("episode_index")
    if index is None:
        return "frames unknown" if rows is None else f"rows {rows[:_SHOWN]} of the batch"
    rows = list(range(len(index))) if rows is None else rows
    places = [
        f"frame {int(index[row])}" + (f" (episode {int(episode[row])})" if episode is not None else "")
        for row in rows[:_SHOWN]
    ]
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return ", ".join(places) + more
