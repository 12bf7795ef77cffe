"""How a run has gone so far: its rounds, its best checkpoint, and whether the policy still can what it could."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mstool.errors import MstoolError
from mstool.evaluation.rollout import EvalJob
from mstool.improvement.curve import WINDOW, played
from mstool.improvement.method import Losses, Phase
from mstool.improvement.players import BEGUN, Result, at_play, latest, result
from mstool.improvement.prepare import Prepared
from mstool.improvement.rollouts import Round
from mstool.improvement.saving import link
from mstool.training.run_folder import BEST, CHECKPOINTS, LAST, MODEL

# Success of all that learns, over the last episodes of each, below this part of the policy's as it began is a collapse.
COLLAPSED, WORTH_WATCHING = 0.34, 0.2


@dataclass
class Course:
    """The rounds of a run as they are played."""

    prepared: Prepared
    # Who may play, beside the policy as it began.
    learning: Sequence[str]
    # One for each round, and one for what came before them, as `curve.json` has them.
    points: list[dict[str, Any]] = field(default_factory=list)
    # Lines of the own episodes for the conventions.
    lines: list[dict[str, Any]] = field(default_factory=list)

    def note(self, round_: Round, phase: Phase, asked: int, seconds: float, updates: int, losses: Losses) -> str:
        """Keep a round, mark the best checkpoint, and return the line that tells the round.

        Parameters
        ----------
        round_, phase, asked
            What was played, in which phase, and how many episodes were asked for.
        seconds, updates, losses
            Of the run so far.

        """
        for outcome in round_.outcomes:
            own = {"env_id": outcome.env_id, "seed": outcome.seed, "frames": outcome.steps}
            self.lines.append({"episode_index": -1, **own, "rollout": True})
        point = self._point(phase, seconds, updates, losses)
        point |= {
            "asked": asked,
            "episodes": len(round_.outcomes),
            "once": sum(outcome.success_once for outcome in round_.outcomes),
            "at_end": sum(outcome.success_at_end for outcome in round_.outcomes),
            "played": _by_player(round_),
            "steps": self.steps + round_.steps,
            "seconds": round(round_.seconds, 2),
        }
        self.points.append(point)
        found = self.result()
        point |= {"result": found.player, "rate": round(found.tallies[found.player].rate, 4)}
        self._mark_best()
        who = ", ".join(f"{player} {own['at_end']}/{own['episodes']}" for player, own in point["played"].items())
        solved = f"{point['once']} of {point['episodes']} solved, {point['at_end']} at the end"
        so_far = f"{len(self.lines)} episodes, {updates} updates, {round_.steps / round_.seconds:.0f} steps/s"
        return f"round {len(self.rounds)} ({phase}): {solved} ({who}); {so_far}  {_told(losses)}"

    def note_demos(self, seconds: float, updates: int, losses: Losses) -> str:
        """Keep that learning from demos alone is over, and return the line that tells it."""
        self.points.append(self._point("demos", seconds, updates, losses))
        return f"demos: {updates} updates  {_told(losses)}"

    def jobs(self, phase: Phase) -> dict[EvalJob, str]:
        """Return the next round's episodes: the tasks in turn, a seed for each, and who plays it, in turn too."""
        prepared, count = self.prepared, len(self.lines)
        players = at_play(self.points, self.learning, distilled=phase == "online")
        left = prepared.round if prepared.options.episodes is None else prepared.options.episodes - count
        # Crashed episodes are in no line, and their seeds are not taken again.
        first = prepared.first_seed + sum(point["asked"] for point in self.points)
        jobs = {}
        for number in range(min(prepared.round, left)):
            turn, which = divmod(count + number, len(prepared.tasks))
            task = prepared.tasks[which]
            jobs[EvalJob(task.env_id, first + number, task.prompt, task.horizon)] = players[turn % len(players)]
        return jobs

    def result(self) -> Result:
        """Return whose weights come out, by what was seen so far."""
        return result(self.points, self.learning)

    @property
    def rounds(self) -> list[Mapping[str, Any]]:
        """The points at which own episodes were played."""
        return played(self.points)

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        return int(self.points[-1]["steps"]) if self.points else 0

    def learnt_from(self, *, policy: bool) -> int:
        """Return how many own episodes there are, with or without those of the policy as it began."""
        every = [(player, own["episodes"]) for point in self.rounds for player, own in point["played"].items()]
        return sum(episodes for player, episodes in every if policy or player != BEGUN)

    def reached(self, phase: Phase) -> bool:
        """Tell whether a phase has a point."""
        return any(point["phase"] == phase for point in self.points)

    def check_alive(self) -> None:
        """Stop where the policy has lost most of what it could.

        Raises
        ------
        MstoolError
            It has; the last checkpoint is the best one again.

        """
        began = latest(self.points, BEGUN).rate
        learnt = [latest(self.points, player) for player in self.learning]
        if began < WORTH_WATCHING or any(tally.episodes < WINDOW for tally in learnt):
            return
        now = max(tally.rate for tally in learnt)
        if now < COLLAPSED * began:
            folder = self.prepared.output / CHECKPOINTS
            if (folder / BEST).is_dir():
                link(folder / LAST, (folder / BEST).resolve().name)
            options = self.prepared.options
            tamer = {"alpha": 3 * options.alpha} if options.method == "fql" else {"lr": options.tamer_lr}
            raise MstoolError(
                f"the policy collapsed: {100 * now:.0f} % of the last episodes were solved, {100 * began:.0f} % of the "
                f"policy's as it began{self.kept()}",
                fix=options.command(**tamer, resume=False, output="runs/ANOTHER"),
            )

    def kept(self) -> str:
        """Say which checkpoint is from before; empty where there is none."""
        last = self.prepared.output / CHECKPOINTS / LAST
        return f"; {last / MODEL} is from before" if last.is_dir() else ""

    def _point(self, phase: Phase, seconds: float, updates: int, losses: Losses) -> dict[str, Any]:
        """Return a point of the curve without episodes."""
        return {
            "phase": phase,
            "asked": 0,
            "episodes": 0,
            "once": 0,
            "at_end": 0,
            "steps": self.steps,
            "minutes": round(seconds / 60, 3),
            "updates": updates,
            "seconds": 0.0,
            "losses": {name: round(value, 5) for name, value in losses.items()},
        }

    def _mark_best(self) -> None:
        """Let `best` be the checkpoint at hand when the rate of what comes out was never higher."""
        last = (self.prepared.output / CHECKPOINTS / LAST).resolve()
        rates = [point["rate"] for point in self.rounds]
        if last.is_dir() and rates[-1] >= max(rates):
            link(self.prepared.output / CHECKPOINTS / BEST, last.name)


def _told(losses: Losses) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in losses.items())


def _by_player(round_: Round) -> dict[str, dict[str, int]]:
    """Count each player's episodes, and those that ended solved."""
    found: dict[str, dict[str, int]] = {}
    for player, outcome in zip(round_.players, round_.outcomes, strict=True):
        own = found.setdefault(player, {"episodes": 0, "at_end": 0})
        own["episodes"] += 1
        own["at_end"] += outcome.success_at_end
    return found
