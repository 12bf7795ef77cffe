"""Who plays own episodes, and whose weights come out: each player is judged by the ends of its own latest episodes.

A rate is the share of the latest `WINDOW` episodes that ended solved; `ENOUGH` of them tell something.

* The policy as it began plays the first `ENOUGH` episodes: what everything else is compared with.
* Then plays what learns. Of flow and one-step actor, the flow alone until the actor is distilled; then they take turns,
  and the actor plays alone while its rate is no lower than the flow's.
* What comes out is the one of the highest rate, if that exceeds the rate of the policy as it began by more than the
  standard error of their difference, sqrt(p (1 - p) / n + q (1 - q) / m); else the policy as it began.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mstool.improvement.curve import WINDOW, played

# The policy as it began.
BEGUN = "policy"
ENOUGH = 48


@dataclass(frozen=True)
class Tally:
    """A player's latest episodes."""

    solved: int
    episodes: int

    @property
    def rate(self) -> float:
        """The share that ended solved."""
        return self.solved / max(1, self.episodes)

    @property
    def enough(self) -> bool:
        """Whether they tell something."""
        return self.episodes >= ENOUGH

    def __str__(self) -> str:
        """Say it."""
        return f"{self.solved} of {self.episodes}"


@dataclass(frozen=True)
class Result:
    """Whose weights come out, and why."""

    player: str
    why: str
    tallies: Mapping[str, Tally]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        each = {player: {"solved": own.solved, "episodes": own.episodes} for player, own in self.tallies.items()}
        return {"result": self.player, "why": self.why, "latest": each}


def latest(points: Sequence[Mapping[str, Any]], player: str) -> Tally:
    """Return the last `WINDOW` episodes of a player, in whole rounds, or so many as there are."""
    solved = episodes = 0
    for point in reversed(played(points)):
        own = point["played"].get(player, {"episodes": 0, "at_end": 0})
        solved, episodes = solved + own["at_end"], episodes + own["episodes"]
        if episodes >= WINDOW:
            break
    return Tally(solved, episodes)


def at_play(points: Sequence[Mapping[str, Any]], learning: Sequence[str], *, distilled: bool) -> Sequence[str]:
    """Return who takes turns in the next round.

    Parameters
    ----------
    points
        The run so far.
    learning
        The method's players: what was trained before, and a one-step actor where there is one.
    distilled
        Whether that actor may play.

    """
    if not latest(points, BEGUN).enough:
        return (BEGUN,)
    if len(learning) == 1 or not distilled:
        return learning[:1]
    flow, actor = (latest(points, player) for player in learning)
    ahead = flow.enough and actor.enough and actor.rate >= flow.rate
    return learning[1:] if ahead else learning


def result(points: Sequence[Mapping[str, Any]], learning: Sequence[str]) -> Result:
    """Return whose weights come out after the run so far."""
    tallies = {player: latest(points, player) for player in (BEGUN, *learning)}
    began, *known = (player for player, tally in tallies.items() if tally.enough or player == BEGUN)
    p = tallies[began]
    if not (p.enough and known):
        counts = ", ".join(f"{player} {tally.episodes}" for player, tally in tallies.items())
        return Result(BEGUN, f"too few own episodes to judge what was learnt: {counts}, of {ENOUGH} each", tallies)
    best = max(known, key=lambda player: tallies[player].rate)
    q = tallies[best]
    error = math.sqrt(p.rate * (1 - p.rate) / p.episodes + q.rate * (1 - q.rate) / q.episodes)
    better = q.rate - p.rate > error
    why = f"{best} solved {q} own episodes, the policy as it began {p}: "
    why += "better by more than the standard error" if better else "nothing was seen to be better"
    return Result(best if better else BEGUN, why, tallies)
