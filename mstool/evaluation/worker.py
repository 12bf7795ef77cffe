"""The process that steps and renders one environment, and asks its parent what to do."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from mstool.contract import Array
from mstool.dataset.conventions import Conventions
from mstool.errors import MstoolError
from mstool.evaluation.filmstrip import Strip, Video
from mstool.evaluation.outcomes import Outcome
from mstool.evaluation.policy import Observation
from mstool.evaluation.rollout import EvalJob, roll_out
from mstool.evaluation.scene import Scene
from mstool.paths import as_file_name
from mstool.simulators.base import Planner
from mstool.simulators.benchmarks import benchmark_of


@dataclass(frozen=True)
class WorkerSetup:
    """What is the same for all episodes of an evaluation."""

    # What the policy was trained on; None for the planner, which needs nothing but the task.
    conventions: Conventions | None
    # The views that are rendered; empty for a policy that sees nothing.
    views: tuple[str, ...]
    # Steps that go on after the first success, None: to the horizon.
    hold: int | None
    # Where an mp4 of every episode goes.
    video: Path | None = None


@dataclass(frozen=True)
class Finished:
    """An episode's outcome, and what is left of it."""

    outcome: Outcome
    # Where pictures were taken, a strip of them: uint8 (H, W, 3).
    strip: Array | None = None
    # What the simulator executed, (T, A) float32; None of a planner, which keeps it to itself.
    actions: Array | None = None
    # Whether the task counted as solved after each of them, (T,) bool.
    solved: Array | None = None


class EvalWorker:
    """Runs episodes one after another, keeping the environment between those of one task."""

    def __init__(self, setup: WorkerSetup, pipe: Connection) -> None:
        self._setup = setup
        self._pipe = pipe
        self._scene: Scene | None = None
        self._planning: tuple[str, Planner] | None = None

    def do(self, job: EvalJob) -> Finished:
        """Run one episode."""
        if self._setup.conventions is None:
            return Finished(self._plan(job))
        if self._scene is None or self._scene.env_id != job.env_id:
            self.close()
            self._scene = Scene(self._setup.conventions, job.env_id, self._setup.views)
        strip = Strip()
        if self._setup.video is None:
            outcome = roll_out(
                self._scene, job, self._ask, hold=self._setup.hold, see=lambda images, _: strip.add(images)
            )
            return Finished(outcome, strip.picture(), self._scene.executed(), self._scene.solved())
        name = f"{as_file_name(job.env_id)}_{job.seed}"
        with Video(self._setup.video / f"{name}.mp4", self._scene.simulator.fps) as video:

            def see(images: Mapping[str, Array], step: int) -> None:
                del step
                strip.add(images)
                video.add(images)

            outcome = roll_out(self._scene, job, self._ask, hold=self._setup.hold, see=see, every_step=True)
            video.close(f"{name}_{'success' if outcome.success_at_end else 'failure'}.mp4")
        return Finished(outcome, strip.picture(), self._scene.executed(), self._scene.solved())

    def close(self) -> None:
        """Free the environment."""
        if self._scene is not None:
            self._scene.close()
            self._scene = None
        if self._planning is not None:
            self._planning[1].close()
            self._planning = None

    def _ask(self, observation: Observation) -> Array:
        self._pipe.send(observation)
        actions: Array = self._pipe.recv()
        return actions

    def _plan(self, job: EvalJob) -> Outcome:
        """Let the benchmark's own planner solve the episode: the upper bound of what demos of it can teach."""
        import time

        if self._planning is None or self._planning[0] != job.env_id:
            self.close()
            self._planning = job.env_id, benchmark_of(job.env_id).planner(job.env_id)
        started = time.monotonic()
        solved = self._planning[1].solve(job.seed)
        return Outcome(
            env_id=job.env_id,
            seed=job.seed,
            success_once=solved.success,
            success_at_end=solved.success,
            steps=solved.steps,
            first_success=solved.steps if solved.success else None,
            seconds=round(time.monotonic() - started, 3),
            reason=solved.failure,
        )


def serve(pipe: Connection, setup: WorkerSetup) -> None:
    """Answer jobs from `pipe` until it closes: what a worker process does.

    For each job: any number of Observations, each answered by actions (k, D); then a Finished, a MstoolError, or a
    traceback as text.
    """
    worker = EvalWorker(setup, pipe)
    try:
        while True:
            job, attempt = pipe.recv()
            pipe.send(_answer(worker, job, attempt))
    except (EOFError, OSError):  # the parent closed the pipe
        pass
    finally:
        worker.close()


def _answer(worker: EvalWorker, job: EvalJob, attempt: int) -> Finished | MstoolError | str:
    try:
        finished = worker.do(job)
    except (EOFError, BrokenPipeError, ConnectionError):
        raise
    except MstoolError as error:
        return error
    except Exception:  # noqa: BLE001 - whatever it was, the parent counts it and the run goes on
        return traceback.format_exc()
    return replace(finished, outcome=replace(finished.outcome, attempts=attempt))
