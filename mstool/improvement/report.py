"""The plan before a run, and what came out of it."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.improvement.course import Course
from mstool.improvement.estimate import Estimate
from mstool.improvement.kinds import KINDS
from mstool.improvement.players import BEGUN, Result
from mstool.improvement.prepare import Prepared
from mstool.improvement.schedule import Schedule
from mstool.training.run_folder import BEST, CHECKPOINTS, LAST, MODEL

_GIB = 2**30


@dataclass(frozen=True)
class ImprovePlan:
    """What a run would do, and what it takes."""

    prepared: Prepared
    device: str
    takes: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        prepared, options = self.prepared, self.prepared.options
        return {
            "checkpoint": str(prepared.model),
            "output": str(prepared.output),
            "method": options.method,
            "envs": prepared.envs,
            "dataset": str(prepared.dataset) if prepared.dataset else None,
            "minutes": options.seconds / 60,
            "episodes": options.episodes,
            "phases": self.phases,
            "first_seed": prepared.first_seed,
            "workers": prepared.workers,
            "round": prepared.round,
            "hold": prepared.hold,
            "device": self.device,
            **self.takes.to_json(),
        }

    @property
    def phases(self) -> str:
        """When each phase ends."""
        options = self.prepared.options
        kind = KINDS[options.method]
        return Schedule(options).text(offline=kind.offline, policy=kind.learns_from_the_policy)

    def text(self) -> str:
        """Return lines for a person."""
        prepared, options, takes = self.prepared, self.prepared.options, self.takes
        end = f"{options.seconds / 60:g} minutes" + (f" or {options.episodes} episodes" if options.episodes else "")
        most = options.seconds / max(takes.update_seconds, 1e-6)
        rows = f"{takes.demo_rows} + {takes.own_rows} rows"
        peak = f", {takes.peak_bytes / _GIB:.1f} GiB of the GPU in an update" if takes.peak_bytes else ""
        demos = f"{takes.demo_rows} frames of {prepared.dataset}" if prepared.dataset else "none"
        replay, networks = takes.replay_bytes / _GIB, takes.network_bytes / _GIB
        where = " of the GPU" if takes.on_device else ""
        memory = f"replay {replay:.2f} GiB{where} at most ({rows}), networks {networks:.2f} GiB"
        played = f"{prepared.round} episodes a round by {prepared.workers} workers, seeds from {prepared.first_seed}"
        each = f"one update takes about {takes.update_seconds:.2g} s on {self.device}"
        beside = options.updates * prepared.round
        learnt = f"{beside} beside each round take {beside * takes.update_seconds:,.0f} s (--updates)"
        lines = [
            f"{options.method} improves {prepared.model} on {', '.join(prepared.envs)} for {end}",
            f"output   {prepared.output}",
            f"demos    {demos}",
            f"phases   {self.phases}",
            f"rollouts {played}; {prepared.hold} steps after success",
            f"memory   {memory}{peak}",
            f"time     {each}: {learnt}, at most {most:.0f} in {options.seconds / 60:g} minutes",
        ]
        if self.device == "cpu":
            lines.append("no GPU: a smaller --batch-size and more --minutes make more updates")
        return "\n".join(lines)


@dataclass(frozen=True)
class ImproveReport:
    """What a run did."""

    method: str
    checkpoint: Path
    best: Path
    episodes: int
    steps: int
    updates: int
    seconds: float
    # Share of own episodes that ended solved: of the policy as it began, and of the result, the latest ones.
    before: float
    after: float
    result: Result
    steps_per_second: float
    updates_per_second: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        paths = {"checkpoint": str(self.checkpoint), "best": str(self.best)}
        return {**self.__dict__, **paths, **self.result.to_json()}

    def text(self) -> str:
        """Return lines for a person."""
        done = (
            f"{self.episodes} episodes, {self.steps} environment steps, {self.updates} updates in {self.seconds:.0f} s"
        )
        counts = ", ".join(f"{player} {own}" for player, own in self.result.tallies.items() if own.episodes)
        name = "the policy as it began" if self.result.player == BEGUN else f"the {self.result.player}"
        lines = [
            f"{self.method}: {done} ({self.steps_per_second:.0f} steps/s, {self.updates_per_second:.1f} updates/s)",
            f"latest own episodes that ended solved: {counts}",
            f"the result is {name}: {self.result.why}",
            f"wrote {self.checkpoint}; the best by own episodes is {self.best}",
            f"{shlex.join(['mstool', 'eval', '--policy', str(self.checkpoint)])}  counts on unseen seeds",
        ]
        return "\n".join(lines)


def report(prepared: Prepared, course: Course, seconds: float, updates: int) -> ImproveReport:
    """Say what a run did in so many seconds and updates."""
    folder = prepared.output / CHECKPOINTS
    found = course.result()
    playing = sum(point["seconds"] for point in course.points)
    return ImproveReport(
        method=prepared.options.method,
        checkpoint=folder / LAST / MODEL,
        best=(folder / BEST if (folder / BEST).is_dir() else folder / LAST) / MODEL,
        episodes=len(course.lines),
        steps=course.steps,
        updates=updates,
        seconds=round(seconds, 1),
        before=round(found.tallies[BEGUN].rate, 4),
        after=round(found.tallies[found.player].rate, 4),
        result=found,
        steps_per_second=round(course.steps / playing, 1) if playing else 0.0,
        updates_per_second=round(updates / seconds, 2),
    )
