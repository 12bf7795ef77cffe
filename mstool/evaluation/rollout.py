"""One episode, closed loop: look, ask, act, until it is over."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mstool.contract import Array
from mstool.evaluation.outcomes import Outcome
from mstool.evaluation.policy import Observation
from mstool.evaluation.scene import Scene

NOT_FINITE = "the policy gave NaN or infinity"

type Ask = Callable[[Observation], Array]
type See = Callable[[Mapping[str, Array], int], None]


@dataclass(frozen=True)
class EvalJob:
    """One episode to run."""

    env_id: str
    seed: int
    prompt: str
    # The most control steps.
    horizon: int


def roll_out(
    scene: Scene,
    job: EvalJob,
    ask: Ask,
    *,
    hold: int | None,
    see: See | None = None,
    every_step: bool = False,
) -> Outcome:
    """Run one episode.

    Parameters
    ----------
    scene
        The environment of the job's task.
    job
        Which episode.
    ask
        Given an observation, returns the actions (k, D) to execute before the next look; none end the episode.
    hold
        How many steps go on after the task was first solved, so that `success_at_end` means that it stays solved;
        None: to the horizon.
    see
        Told of every set of pictures and the step at which they were taken.
    every_step
        Whether pictures are taken at every step, not only when the policy looks.

    """
    started = time.monotonic()
    scene.reset(job.seed)
    steps = looks = 0
    first: int | None = None
    solved = over = False
    reason = ""
    images = _look(scene, 0, see)
    while not over:
        actions = ask(Observation(images, scene.state(), job.prompt, job.env_id, job.seed, steps, goal=scene.goal()))
        looks += 1
        if not len(actions):
            break
        if not np.isfinite(actions).all():
            reason = NOT_FINITE
            break
        for action in actions:
            solved = scene.step(action)
            steps += 1
            if solved and first is None:
                first = steps
            over = steps >= job.horizon or (hold is not None and first is not None and steps - first >= hold)
            if over:
                break
            if every_step:
                images = _look(scene, steps, see)
        if not over and not every_step:
            images = _look(scene, steps, see)
    if see is not None:
        see(scene.images(), steps)
    return Outcome(
        env_id=job.env_id,
        seed=job.seed,
        success_once=first is not None,
        success_at_end=solved,
        steps=steps,
        first_success=first,
        seconds=round(time.monotonic() - started, 3),
        looks=looks,
        reason=reason,
        phase=scene.failed_in(),
        stalled=not solved and scene.stands_still(),
    )


def _look(scene: Scene, step: int, see: See | None) -> dict[str, Array]:
    images = scene.images()
    if see is not None:
        see(images, step)
    return images
