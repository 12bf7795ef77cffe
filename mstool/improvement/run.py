"""The command's own logic: the phases, rounds of episodes, updates meanwhile, checkpoints between them."""

import math
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from dataclasses import dataclass

from mstool import __version__
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.improvement.acting import ActingPolicy
from mstool.improvement.course import Course
from mstool.improvement.curve import write_curve
from mstool.improvement.demos import load_demos
from mstool.improvement.frozen_policy import freeze
from mstool.improvement.learner import Learner
from mstool.improvement.plan import make_method, on_left_cores, row_sizes, told_of_limits
from mstool.improvement.policy_files import PolicyFiles
from mstool.improvement.prepare import Prepared, run_name
from mstool.improvement.report import ImprovePlan, ImproveReport, report
from mstool.improvement.resuming import go_on, kept
from mstool.improvement.rollouts import Rollouts, Round
from mstool.improvement.saving import Saver, resumable
from mstool.improvement.schedule import Schedule
from mstool.progress import Notify, Progress
from mstool.training.interrupts import Interrupts
from mstool.training.problems import Stopped, stopped_at_once


@dataclass
class Run:
    """A run at work."""

    prepared: Prepared
    policy: LerobotPolicy
    plan: ImprovePlan
    notify: Notify
    # When the last checkpoint was written, s of the run.
    saved: float = -math.inf

    def __post_init__(self) -> None:
        prepared = self.prepared
        self.frozen = freeze(self.policy, prepared.options.replan, prepared.tokens)
        method = make_method(prepared, self.frozen, self.policy.device)
        self.learner = Learner(prepared.options, method, row_sizes(method), self.plan.takes)
        self.course = Course(prepared, tuple(method.players))
        self.interrupts = Interrupts()
        start = f"{run_name(prepared.model)}, improved by {prepared.options.method}"
        facts = {"policy": self.policy.config.type, "mstool": __version__, "command": prepared.options.command()}
        run = {**prepared.run, **facts, "start": start}
        self.saver = Saver(
            prepared.output,
            PolicyFiles(self.policy, prepared.model, prepared.conventions, run, prepared.options.replan),
        )

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
        with told_of_limits(options), told_of_ctrl_c(prepared):
            if options.resume:
                self.schedule = go_on(prepared, self.learner, self.course)
                self.notify(f"going on after {len(self.course.lines)} episodes and {self.learner.updates} updates")
            self._load_demos()
            self.schedule.begin()
            self.learner.method.record()
            acting = ActingPolicy(self.policy, self.frozen, prepared.workers)
            rollouts = Rollouts(acting, prepared.conventions, prepared.workers, options.replan, prepared.hold)
            try:
                with self.interrupts.heard(), on_left_cores(prepared):
                    self.interrupts.training = True
                    self._learn_from_demos()
                    while not (self._time_over() or self.schedule.enough(len(self.course.lines))):
                        self._round(rollouts)
                    self._save()
            finally:
                rollouts.close()
        return report(prepared, self.course, self.schedule.seconds, self.learner.updates)

    def _load_demos(self) -> None:
        prepared = self.prepared
        if prepared.dataset is not None and prepared.demos is not None:
            load_demos(
                prepared.dataset, prepared.demos, prepared.envs, self.policy, self.frozen, self.learner.method,
                self.learner.room_for_demos(), prepared.frames,
            )  # fmt: skip

    def _learn_from_demos(self) -> None:
        learner = self.learner
        if not learner.method.offline or self.course.points:
            return
        with Progress("demos", self.prepared.options.demo_updates, "update", done=learner.demo_updates) as progress:
            while not self.schedule.demos_over(learner.demo_updates):
                learner.update("demos", self.course.kept())
                progress.update()
                self._pause()
        self.notify(self.course.note_demos(self.schedule.seconds, learner.updates, learner.losses))
        self._save()

    def _round(self, rollouts: Rollouts) -> None:
        """Play a round, and learn meanwhile from what there is."""
        learner, course = self.learner, self.course
        learnt = course.learnt_from(policy=learner.method.learns_from_the_policy)
        phase = self.schedule.phase(len(course.lines), learnt=learnt, distilled=learner.distilled)
        jobs = course.jobs(phase)
        pending = rollouts.begin(jobs, learner.acts(jobs.values()))
        for _ in range(self.prepared.options.updates * self.prepared.round if learner.fed else 0):
            learner.update(phase, course.kept())
            if self._cut_short() or self.schedule.time_over:
                break
        round_ = _wait(pending, self._cut_short)
        if round_ is not None:
            learner.take(round_.episodes, round_.players)
            seconds = self.schedule.seconds
            self.notify(course.note(round_, phase, len(jobs), seconds, learner.updates, learner.losses))
        self._pause()
        course.check_alive()

    def _time_over(self) -> bool:
        """Tell whether the minutes are over; on a slow machine the last phase has a round all the same."""
        return self.schedule.time_over and self.course.reached("online")

    def _cut_short(self) -> bool:
        """Tell whether a round that is under way is not waited for."""
        return self.interrupts.asked or self._time_over()

    def _pause(self) -> None:
        """Save where it is time to, and stop where somebody asked.

        Raises
        ------
        Stopped
            Somebody did.

        """
        if self.interrupts.asked:
            self._save()
            raise Stopped(
                f"stopped after {len(self.course.lines)} episodes; a checkpoint is kept",
                fix=self.prepared.options.command(resume=True, overwrite=False),
            )
        if self.schedule.seconds - self.saved >= self.prepared.options.save_seconds:
            self._save()

    def _save(self) -> None:
        state = kept(self.prepared, self.learner, self.course, self.schedule)
        found = self.course.result()
        self.saver.save(self.learner.method, found.player, self.learner.own, state, self.course.lines)
        self.saved = self.schedule.seconds
        about = {"method": self.prepared.options.method, "envs": self.prepared.envs, **found.to_json()}
        write_curve(self.course.points, about, self.prepared.output)


def make_way(prepared: Prepared) -> None:
    """Remove what `--overwrite` says."""
    if prepared.options.overwrite and prepared.output.is_dir():
        shutil.rmtree(prepared.output)


@contextmanager
def told_of_ctrl_c(prepared: Prepared) -> Iterator[None]:
    """Say what is left where Ctrl-C ends the block at once.

    Raises
    ------
    Stopped
        The run has begun in its folder.

    """
    try:
        yield
    except KeyboardInterrupt:
        options, output, kept = prepared.options, prepared.output, resumable(prepared.output)
        again = options.command(resume=kept, overwrite=not kept)
        stopped_at_once(output, began=options.overwrite or output.is_dir(), kept=kept, again=again)
        raise


def _wait(pending: "Future[Round]", over: Callable[[], bool]) -> Round | None:
    """Return the round, or None where it is cut short before it is done."""
    while True:
        try:
            return pending.result(timeout=1.0)
        except NotYet:
            if over():
                return None
