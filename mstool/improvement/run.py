"""The command's own logic: rounds of episodes, updates meanwhile, checkpoints between them."""

import math
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Any

import torch

from mstool import __version__
from mstool.errors import MstoolError
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.evaluation.rollout import EvalJob
from mstool.improvement.acting import ActingPolicy
from mstool.improvement.course import Course
from mstool.improvement.curve import smoothed, write_curve
from mstool.improvement.demos import load_demos
from mstool.improvement.method import Losses
from mstool.improvement.plan import make_method, row_sizes, told_of_memory
from mstool.improvement.prepare import Prepared, run_name
from mstool.improvement.replay import Replay
from mstool.improvement.report import ImprovePlan, ImproveReport
from mstool.improvement.rollouts import Rollouts, Round
from mstool.improvement.saving import Saver, load
from mstool.improvement.schedule import Schedule
from mstool.progress import Notify, Progress
from mstool.training.held_out import BEST
from mstool.training.interrupts import Interrupts
from mstool.training.problems import Stopped
from mstool.training.resume import CHECKPOINTS, LAST, MODEL


@dataclass
class Run:
    """A run at work."""

    prepared: Prepared
    policy: LerobotPolicy
    plan: ImprovePlan
    notify: Notify
    updates: int = 0
    demo_updates: int = 0
    saved: float = -math.inf

    def __post_init__(self) -> None:
        self.method = make_method(self.prepared, self.policy)
        self.sizes = row_sizes(self.prepared, self.method)
        self.own = Replay(self.sizes, self.plan.takes.own_rows, self.method.hyper.gamma)
        self.demos: Replay | None = None
        self.losses: Losses = {}
        self.course = Course(self.prepared)
        self.interrupts = Interrupts()
        prepared = self.prepared
        command = prepared.options.command()
        start = f"{run_name(prepared.model)}, improved by {prepared.options.method}"
        self.saver = Saver(
            prepared.output, self.policy, prepared.model, prepared.conventions,
            {**prepared.run, "policy": "flow", "mstool": __version__, "command": command, "start": start},
            {"sampler": self.method.sampler, "n_action_steps": prepared.options.replan,
             "candidates": self.method.hyper.candidates, "sampler_hidden": self.method.hyper.hidden},
        )  # fmt: skip

    def run(self) -> ImproveReport:
        """Learn until the time, or the number of episodes, is over.

        Raises
        ------
        MstoolError
            A loss is not finite, or the policy collapsed; the last good checkpoint is kept.
        Stopped
            Ctrl-C.

        """
        prepared, options = self.prepared, self.prepared.options
        self.schedule = Schedule(options)
        if options.resume:
            self._resume()
        if prepared.dataset is not None and prepared.demos is not None:
            rows = max(1, self.plan.takes.demo_rows)
            self.demos = Replay(self.sizes, rows, self.method.hyper.gamma)
            load_demos(
                prepared.dataset, prepared.demos, prepared.envs, self.policy, self.method, self.demos,
                prepared.output.parent / ".frames",
            )  # fmt: skip
        # As an evaluation does it: inference and learning on the cores that the workers leave.
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - prepared.workers))
        acting = ActingPolicy(self.policy, prepared.workers, self.sizes.tokens, options.replan)
        rollouts = Rollouts(acting, prepared.conventions, prepared.workers, options.replan, prepared.hold)
        try:
            with self.interrupts.heard(), told_of_memory(options):
                self.interrupts.training = True
                self._learn_from_demos()
                while not (self.schedule.time_over or self.schedule.enough(len(self.course.lines))):
                    self._round(rollouts)
                self._save()
        finally:
            rollouts.close()
        return self._report()

    def _learn_from_demos(self) -> None:
        if not self.method.offline or self.course.points:
            return
        with Progress("demos", self.prepared.options.demo_updates, "update", done=self.demo_updates) as progress:
            while not self.schedule.demos_over(self.demo_updates):
                self._update("demos")
                self.demo_updates += 1
                progress.update()
                if self.interrupts.asked:
                    self._stop()
        self._save()

    def _round(self, rollouts: Rollouts) -> None:
        """Play a round, and learn meanwhile from what there is."""
        count = len(self.course.lines)
        phase = self.schedule.phase(count)
        jobs = self._jobs()
        pending = rollouts.begin(jobs, self.method.acting())
        if len(self.own) or (self.demos is not None and len(self.demos)):
            for _ in range(self.prepared.options.updates * self.prepared.round):
                self._update(phase)
                if self.schedule.time_over:
                    break
        round_ = _wait(pending, lambda: self.schedule.time_over and bool(self.course.points))
        if round_ is None:
            return
        for episode in round_.episodes:
            self.own.add(episode)
        self.notify(self.course.note(round_, phase, len(jobs), self.schedule.seconds, self.updates, self.losses))
        if self.schedule.seconds - self.saved >= self.prepared.options.save_seconds:
            self._save()
        if self.interrupts.asked:
            self._stop()
        self.course.check_alive()

    def _jobs(self) -> list[EvalJob]:
        """Return the next round's episodes: the tasks in turn, a seed for each."""
        count, tasks, options = len(self.course.lines), self.prepared.tasks, self.prepared.options
        left = self.prepared.round if options.episodes is None else options.episodes - count
        # Crashed episodes are in no line, and their seeds are not taken again.
        first = self.prepared.first_seed + sum(point["asked"] for point in self.course.points)
        jobs = []
        for number in range(min(self.prepared.round, left)):
            task = tasks[(count + number) % len(tasks)]
            jobs.append(EvalJob(task.env_id, first + number, task.prompt, task.horizon))
        return jobs

    def _update(self, phase: Any) -> None:
        self.losses = self.method.update(self.demos, self.own, phase)
        self.updates += 1
        if not all(map(math.isfinite, self.losses.values())):
            said = ", ".join(f"{name} {value:g}" for name, value in self.losses.items())
            raise MstoolError(
                f"update {self.updates} has a loss that is not finite ({said}){self.course.kept()}",
                fix=self.prepared.options.command(lr=self.prepared.options.lr / 3, resume=False, output="runs/ANOTHER"),
            )

    def _stop(self) -> None:
        self._save()
        raise Stopped(
            f"stopped after {len(self.course.lines)} episodes; a checkpoint is kept",
            fix=self.prepared.options.command(resume=True, overwrite=False),
        )

    def _save(self) -> None:
        state = {
            "points": self.course.points,
            "lines": self.course.lines,
            "updates": self.updates,
            "demo_updates": self.demo_updates,
            "seconds": self.schedule.seconds,
            "asked": _fixed(self.prepared),
        }
        self.saver.save(self.method, self.own, state, self.course.lines)
        self.saved = self.schedule.seconds
        about = {"method": self.prepared.options.method, "envs": self.prepared.envs}
        write_curve(self.course.points, about, self.prepared.output)

    def _resume(self) -> None:
        state = load(self.prepared.output, self.method, self.own)
        changed = [name for name, value in _fixed(self.prepared).items() if state["asked"].get(name) != value]
        if changed:
            words = ", ".join("--" + name.replace("_", "-") for name in changed)
            before = ", ".join(f"{name} {state['asked'].get(name)}" for name in changed)
            raise MstoolError(
                f"--resume goes on as the run began: {words} cannot change (it was {before})",
                fix=self.prepared.options.command(**{name: state["asked"].get(name) for name in changed}),
            )
        self.course.points, self.course.lines = state["points"], state["lines"]
        self.updates, self.demo_updates = state["updates"], state["demo_updates"]
        self.schedule = Schedule(self.prepared.options, state["seconds"])
        self.notify(f"going on after {len(self.course.lines)} episodes and {self.updates} updates")

    def _report(self) -> ImproveReport:
        folder = self.prepared.output / CHECKPOINTS
        at_end = smoothed(self.course.points, "at_end") or [0.0]
        steps = self.course.points[-1]["steps"] if self.course.points else 0
        playing = sum(point["seconds"] for point in self.course.points)
        seconds = self.schedule.seconds
        return ImproveReport(
            method=self.prepared.options.method,
            checkpoint=folder / LAST / MODEL,
            best=(folder / BEST if (folder / BEST).is_dir() else folder / LAST) / MODEL,
            episodes=len(self.course.lines),
            steps=steps,
            updates=self.updates,
            seconds=round(seconds, 1),
            before=at_end[min(len(at_end) - 1, 1)],
            after=at_end[-1],
            steps_per_second=round(steps / playing, 1) if playing else 0.0,
            updates_per_second=round(self.updates / seconds, 2),
        )


def make_way(prepared: Prepared) -> None:
    """Remove what `--overwrite` says."""
    if prepared.options.overwrite and prepared.output.is_dir():
        shutil.rmtree(prepared.output)


def _fixed(prepared: Prepared) -> dict[str, Any]:
    """Return what a run that goes on cannot change."""
    options = prepared.options
    names = ("method", "replan", "batch_size", "lr", "alpha", "gamma", "seed", "updates", "critic_episodes")
    return {name: getattr(options, name) for name in names}


def _wait(pending: "Future[Round]", over: Callable[[], bool]) -> Round | None:
    """Return the round, or None where the time is over before it is done."""
    while True:
        try:
            return pending.result(timeout=1.0)
        except NotYet:
            if over():
                return None
