"""The phases of a run, and when it is over."""

import time

from mstool.improvement.method import Phase
from mstool.improvement.options import ImproveOptions

# The part of the minutes that learning from demos alone may take.
DEMO_SHARE = 0.25


class Schedule:
    """Counts time; `spent` seconds belong to earlier runs."""

    def __init__(self, options: ImproveOptions, spent: float = 0.0) -> None:
        self._options = options
        self._started = time.monotonic() - spent

    @property
    def seconds(self) -> float:
        """Since the run began, interruptions left out."""
        return time.monotonic() - self._started

    def phase(self, episodes: int) -> Phase:
        """Return what is learnt when so many own episodes are there."""
        return "critic" if episodes < self._options.critic_episodes else "online"

    def demos_over(self, updates: int) -> bool:
        """Tell whether so many updates on demos alone are enough, or took their part of the time."""
        return updates >= self._options.demo_updates or self.seconds >= 60 * self._options.minutes * DEMO_SHARE

    @property
    def time_over(self) -> bool:
        """Tell whether the minutes are over."""
        return self.seconds >= 60 * self._options.minutes

    def enough(self, episodes: int) -> bool:
        """Tell whether so many own episodes are all that were asked for."""
        return self._options.episodes is not None and episodes >= self._options.episodes
