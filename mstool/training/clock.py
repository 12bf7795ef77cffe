"""Training by time (`--minutes`): the end, and a learning rate that arrives there with it."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Steps of a run that ends by its clock, for whoever must name a number: never reached.
MOST_STEPS = 999_999
# Share of the time in which the learning rate rises to its peak.
_WARMUP = 0.03


class TimeUp(Exception):  # noqa: N818  # the end that was asked for
    """The minutes are over; a checkpoint is kept."""


class Clock:
    """How much of a training's time is over. It runs from the first step on.

    Parameters
    ----------
    minutes
        How long to train.
    floor
        The learning rate at the end, as a share of its peak.
    spent
        Seconds that were trained before, by the checkpoint that is gone on from.

    """

    def __init__(self, minutes: float, *, floor: float = 0.0, spent: float = 0.0) -> None:
        self.seconds = 60 * minutes
        self.floor = floor
        self._before = spent
        self._began: float | None = None

    @property
    def spent(self) -> float:
        """Seconds of training so far."""
        return self._before + (0.0 if self._began is None else time.monotonic() - self._began)

    @property
    def left(self) -> float:
        """Seconds of training to come."""
        return max(0.0, self.seconds - self.spent)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time that the block takes."""
        began = time.monotonic()
        yield
        if self._began is not None:
            self._began += time.monotonic() - began

    def set_rate(self, optimizer: Any, agreed: Callable[[float], float]) -> None:
        """Give an optimizer the learning rate of this moment, where LeRobot's scheduler would change it at all.

        Parameters
        ----------
        optimizer
            Its groups' `initial_lr` is their peak.
        agreed
            Makes one number of those of all processes: their weights must stay alike.

        """
        if self._began is None:
            self._began = time.monotonic()
        factor = rate(agreed(self.spent) / self.seconds, self.floor)
        for group in optimizer.param_groups:
            if "initial_lr" in group:
                group["lr"] = group["initial_lr"] * factor


def rate(share: float, floor: float) -> float:
    """Return the learning rate at a share of the time, as a share of its peak: a line up, then a cosine to `floor`."""
    share = min(max(share, 0.0), 1.0)
    # The first step counts too.
    rising = max(share, 1e-3) / _WARMUP
    falling = (share - _WARMUP) / (1 - _WARMUP)
    return rising if rising < 1 else floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * falling))
