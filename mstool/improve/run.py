"""The command's own logic: rounds of episodes, updates meanwhile, checkpoints between them."""

import math
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import Any

import torch

from mstool import __version__
from mstool.errors import MstoolError, SetupError
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.evaluation.rollout import EvalJob
from mstool.improve.acting import ActingPolicy
from mstool.improve.curve import WINDOW, smoothed, write_curve
from mstool.improve.demos import demo_lines, load_demos, stride
from mstool.improve.estimate import estimate, own_rows
from mstool.improve.method import Base, Hyper, Losses, Method
from mstool.improve.prepare import KINDS, Prepared, run_name
from mstool.improve.replay import Replay, Sizes
from mstool.improve.report import ImprovePlan, ImproveReport
from mstool.improve.rollouts import Rollouts, Round
from mstool.improve.saving import Saver, link, load
from mstool.improve.schedule import Schedule
from mstool.progress import Notify, Progress
from mstool.training.held_out import BEST
from mstool.training.interrupts import Interrupts
from mstool.training.problems import Stopped
from mstool.training.resume import CHECKPOINTS, LAST, MODEL

# Success over the last episodes below this part of what the policy began with is a collapse.
COLLAPSED, WORTH_WATCHING = 0.34, 0.2


def open_policy(prepared: Prepared) -> LerobotPolicy:
    """Load the checkpoint."""
    options = prepared.options
    return LerobotPolicy(str(prepared.model), prepared.conventions, device=options.device, slots=prepared.workers)


def make_method(prepared: Prepared, policy: LerobotPolicy) -> Method:
    """Return the method at its beginning."""
    config, options = policy.config, prepared.options
    base = Base(
        expert=policy.policy.average.expert,
        objective=policy.policy.objective,
        sampling=config.num_inference_steps,
        width=config.width,
        heads=config.num_heads,
        chunk=config.chunk_size,
        action=config.action_feature.shape[0],
        steps=options.replan,
    )
    hyper = Hyper(
        lr=options.lr, batch_size=options.batch_size, alpha=options.alpha, gamma=options.gamma, hidden=options.hidden
    )
    return KINDS[options.method](base, hyper, policy.device, options.seed)


def row_sizes(prepared: Prepared, method: Method) -> Sizes:
    """Return what a row of the replay holds."""
    base = method.base
    return Sizes(prepared.tokens, base.width, base.chunk, base.steps, base.action, method.extra)


def make_plan(prepared: Prepared, policy: LerobotPolicy) -> ImprovePlan:
    """Say what a run would take; two updates are tried."""
    options, method = prepared.options, make_method(prepared, policy)
    frames = [int(line["frames"]) for line in demo_lines(prepared.demos, prepared.envs)] if prepared.demos else []
    every = stride(sum(frames), options.replan)
    own = own_rows(options.episodes, max(task.horizon for task in prepared.tasks), options.replan)
    with _memory(prepared):
        takes = estimate(method, row_sizes(prepared, method), sum(-(-each // every) for each in frames), own)
    return ImprovePlan(prepared, policy.device, takes)


@dataclass
class Run:
    """A run at work."""

    prepared: Prepared
    policy: LerobotPolicy
    plan: ImprovePlan
    notify: Notify
    points: list[dict[str, Any]] = field(default_factory=list)
    # Lines of the own episodes for the conventions.
    lines: list[dict[str, Any]] = field(default_factory=list)
    updates: int = 0
    demo_updates: int = 0
    saved: float = -math.inf

    def __post_init__(self) -> None:
        self.method = make_method(self.prepared, self.policy)
        self.sizes = row_sizes(self.prepared, self.method)
        self.own = Replay(self.sizes, self.plan.takes.own_rows, self.method.hyper.gamma)
        self.demos: Replay | None = None
        self.losses: Losses = {}
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
            with self.interrupts.heard(), _memory(prepared):
                self.interrupts.training = True
                self._learn_from_demos()
                while not (self.schedule.time_over or self.schedule.enough(len(self.lines))):
                    self._round(rollouts)
                self._save()
        finally:
            rollouts.close()
        return self._report()

    def _learn_from_demos(self) -> None:
        if not self.method.offline or self.points:
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
        count = len(self.lines)
        phase = self.schedule.phase(count)
        pending = rollouts.begin(self._jobs(), self.method.acting())
        if len(self.own) or (self.demos is not None and len(self.demos)):
            for _ in range(self.prepared.options.updates * self.prepared.round):
                self._update(phase)
                if self.schedule.time_over:
                    break
        round_ = _wait(pending, lambda: self.schedule.time_over and bool(self.points))
        if round_ is None:
            return
        for episode in round_.episodes:
            self.own.add(episode)
        self._note(round_, phase)
        if self.schedule.seconds - self.saved >= self.prepared.options.save_seconds:
            self._save()
        if self.interrupts.asked:
            self._stop()
        self._check_alive()

    def _jobs(self) -> list[EvalJob]:
        """Return the next round's episodes: the tasks in turn, a seed for each."""
        count, tasks, options = len(self.lines), self.prepared.tasks, self.prepared.options
        left = self.prepared.round if options.episodes is None else options.episodes - count
        # Crashed episodes are in no line, and their seeds are not taken again.
        first = self.prepared.first_seed + sum(point["asked"] for point in self.points)
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
                f"update {self.updates} has a loss that is not finite ({said}){self._kept()}",
                fix=self.prepared.options.command(lr=self.prepared.options.lr / 3, resume=False, output="runs/ANOTHER"),
            )

    def _note(self, round_: Round, phase: str) -> None:
        """Keep a point of the curve, and tell it."""
        asked = len(self._jobs())
        for outcome in round_.outcomes:
            own = {"env_id": outcome.env_id, "seed": outcome.seed, "frames": outcome.steps}
            self.lines.append({"episode_index": -1, **own, "rollout": True})
        before = self.points[-1]["steps"] if self.points else 0
        point = {
            "phase": phase,
            "asked": asked,
            "episodes": len(round_.outcomes),
            "once": sum(outcome.success_once for outcome in round_.outcomes),
            "at_end": sum(outcome.success_at_end for outcome in round_.outcomes),
            "steps": before + round_.steps,
            "minutes": round(self.schedule.seconds / 60, 3),
            "updates": self.updates,
            "seconds": round(round_.seconds, 2),
            "losses": {name: round(value, 5) for name, value in self.losses.items()},
        }
        self.points.append(point)
        losses = " ".join(f"{name} {value:.4g}" for name, value in self.losses.items())
        solved = f"{point['once']} of {point['episodes']} solved, {point['at_end']} at the end"
        so_far = f"{len(self.lines)} episodes, {self.updates} updates, {round_.steps / round_.seconds:.0f} steps/s"
        self.notify(f"round {len(self.points)} ({phase}): {solved}; {so_far}  {losses}")
        self._mark_best()

    def _mark_best(self) -> None:
        """Let `best` be the checkpoint at hand when the smoothed success of own episodes was never higher."""
        last = (self.prepared.output / CHECKPOINTS / LAST).resolve()
        online = smoothed(self.points, "at_end")
        if last.is_dir() and online[-1] >= max(online):
            link(self.prepared.output / CHECKPOINTS / BEST, last.name)

    def _check_alive(self) -> None:
        """Stop where the policy has lost most of what it could."""
        first = [point for point in self.points if point["phase"] == "critic"] or self.points[:1]
        began = sum(point["once"] for point in first) / max(1, sum(point["episodes"] for point in first))
        online = [point for point in self.points if point["phase"] == "online"]
        if sum(point["episodes"] for point in online) < WINDOW or began < WORTH_WATCHING:
            return
        now = smoothed(online, "once")[-1]
        if now < COLLAPSED * began:
            folder = self.prepared.output / CHECKPOINTS
            if (folder / BEST).is_dir():
                link(folder / LAST, (folder / BEST).resolve().name)
            raise MstoolError(
                f"the policy collapsed: {100 * now:.0f} % of the last episodes were solved, {100 * began:.0f} % of the "
                f"first ones{self._kept()}",
                fix=self.prepared.options.command(
                    alpha=3 * self.prepared.options.alpha, resume=False, output="runs/ANOTHER"
                ),
            )

    def _stop(self) -> None:
        self._save()
        raise Stopped(
            f"stopped after {len(self.lines)} episodes; a checkpoint is kept",
            fix=self.prepared.options.command(resume=True, overwrite=False),
        )

    def _kept(self) -> str:
        last = self.prepared.output / CHECKPOINTS / LAST
        return f"; {last / MODEL} is from before" if last.is_dir() else ""

    def _save(self) -> None:
        state = {
            "points": self.points,
            "lines": self.lines,
            "updates": self.updates,
            "demo_updates": self.demo_updates,
            "seconds": self.schedule.seconds,
            "asked": _fixed(self.prepared),
        }
        self.saver.save(self.method, self.own, state, self.lines)
        self.saved = self.schedule.seconds
        about = {"method": self.prepared.options.method, "envs": self.prepared.envs}
        write_curve(self.points, about, self.prepared.output)

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
        self.points, self.lines = state["points"], state["lines"]
        self.updates, self.demo_updates = state["updates"], state["demo_updates"]
        self.schedule = Schedule(self.prepared.options, state["seconds"])
        self.notify(f"going on after {len(self.lines)} episodes and {self.updates} updates")

    def _report(self) -> ImproveReport:
        folder = self.prepared.output / CHECKPOINTS
        at_end = smoothed(self.points, "at_end") or [0.0]
        steps = self.points[-1]["steps"] if self.points else 0
        playing = sum(point["seconds"] for point in self.points)
        seconds = self.schedule.seconds
        return ImproveReport(
            method=self.prepared.options.method,
            checkpoint=folder / LAST / MODEL,
            best=(folder / BEST if (folder / BEST).is_dir() else folder / LAST) / MODEL,
            episodes=len(self.lines),
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


class _memory:  # noqa: N801 - a context manager
    """Turns running out of memory into words."""

    def __init__(self, prepared: Prepared) -> None:
        self._options = prepared.options

    def __enter__(self) -> None:
        """Nothing is prepared."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Say what to lower."""
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            smaller = max(1, self._options.batch_size // 2)
            raise SetupError(
                f"out of memory with batches of {self._options.batch_size}: a smaller batch takes less of the GPU, "
                "fewer --workers less of both",
                fix=self._options.command(batch_size=smaller),
            ) from error
