"""The phases of a run, and when it is over: shares of its minutes, so that a short run has all of them too."""

import time

from mstool.improvement.method import Phase
from mstool.improvement.options import ImproveOptions

# Parts of the time after which learning from demos alone is over, and the first own episodes are: what lies between
# encoding the demos and the end. Less where --demo-updates or --critic-episodes are done before.
DEMOS, CRITIC = 0.2, 0.4
# Encoding the demos leaves learning at least this part of the minutes, whatever it took.
LEAST = 0.5


class Schedule:
    """Counts time; `spent` seconds belong to earlier runs, which had begun to learn after `encoded` seconds."""

    def __init__(self, options: ImproveOptions, spent: float = 0.0, encoded: float | None = None) -> None:
        self._options = options
        self._started = time.monotonic() - spent
        self.encoded = encoded

    @property
    def seconds(self) -> float:
        """Since the run began, interruptions left out."""
        return time.monotonic() - self._started

    def begin(self) -> None:
        """Learning begins: the demos are encoded."""
        if self.encoded is None:
            self.encoded = self.seconds

    def end(self, share: float = 1.0) -> float:
        """Return when a part of the time to learn is over, s."""
        whole, encoded = self._options.seconds, self.encoded or 0.0
        return encoded + share * max(whole - encoded, LEAST * whole)

    def demos_over(self, updates: int) -> bool:
        """Tell whether so many updates on demos alone are enough, or took their part of the time."""
        return updates >= self._options.demo_updates or self.seconds >= self.end(DEMOS)

    def phase(self, episodes: int, *, learnt: int | None = None, distilled: bool = True) -> Phase:
        """Return what is learnt when so many own episodes are there; of the first ones the critic always learns.

        It learns from `learnt` of them, None being all. A one-step actor is not pushed before it is `distilled`. Both
        end when they took their part of the time.
        """
        early = (episodes if learnt is None else learnt) < self._options.critic_episodes or not distilled
        early = early and (not episodes or self.seconds < self.end(CRITIC))
        return "critic" if early else "online"

    @property
    def time_over(self) -> bool:
        """Tell whether the minutes are over."""
        return self.seconds >= self.end()

    def enough(self, episodes: int) -> bool:
        """Tell whether so many own episodes are all that were asked for."""
        return self._options.episodes is not None and episodes >= self._options.episodes

    def text(self, *, offline: bool, policy: bool) -> str:
        """Say when each phase ends at the latest; encoding the demos, which is not counted here, makes it later."""
        options = self._options
        demos = f"demos until {_clock(self.end(DEMOS))} or {options.demo_updates} updates, " if offline else ""
        critic = f"critic alone until {_clock(self.end(CRITIC))} or {options.critic_episodes} own episodes"
        critic += "" if policy else " of what learns"
        return f"{demos}{critic}, then all until {_clock(self.end())}; at least a round of each"


def _clock(seconds: float) -> str:
    """Return minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
