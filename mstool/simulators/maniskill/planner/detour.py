"""Detours: demos that begin where a policy goes astray, and lead back from there (`--disturb`).

Before one of a solution's motions the hand is taken somewhere near, at times with its fingers closed, and the solution
then plans that motion from where it is. The demo begins after the detour: what it holds was planned and executed in the
state that it is stored with, so actions and observations belong together as in any other demo.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

# How far the hand is taken: metres, upwards or to the side, and radians about any axis.
_NEAREST_M, _FARTHEST_M, _MOST_RAD = 0.01, 0.06, 0.3
# Steps for which the end of the detour is held, so that the demo begins near rest.
_REST = 3
_MOVE = "move_to_pose_with_screw"


class Detour:
    """The detour of one attempt at a seed, if it has one: a function of the seed alone.

    Parameters
    ----------
    seed
        The attempt's.
    share
        Which share of all seeds has one.
    motions
        How many motions the solution has: the detour comes before any of them alike.

    """

    def __init__(self, seed: int, share: float, motions: int) -> None:
        # A stream of its own, so that it is no copy of the one that places the objects.
        self._random = np.random.default_rng([seed, 1])
        taken = self._random.random() < share
        self._before = int(self._random.integers(motions)) if taken else -1
        self._motions = 0
        # Control steps until the end of the detour; 0 where there was none.
        self.steps = 0

    def take(self, solver: Any, move: Callable[..., Any]) -> None:
        """Take the hand away and leave it there, if the motion that comes is the one for that."""
        self._motions += 1
        if self._motions - 1 != self._before:
            return
        import sapien

        here = solver.base_env.agent.tcp.pose.sp
        away = self._direction() * self._random.uniform(_NEAREST_M, _FARTHEST_M)
        away[2] = abs(away[2])
        axis, half = self._direction(), self._random.uniform(0, _MOST_RAD) / 2
        turn = sapien.Pose(q=[np.cos(half), *(np.sin(half) * axis)])
        closed = self._random.random() < 0.5
        state = getattr(solver, "gripper_state", None)
        if closed and state is not None and state == solver.OPEN:
            solver.gripper_state = solver.CLOSED
        moved = move(sapien.Pose(here.p + away, (turn * sapien.Pose(q=here.q)).q), refine_steps=_REST)
        if state is not None:
            solver.gripper_state = state
        if not isinstance(moved, int):  # -1: there is no way there
            self.steps = int(solver.base_env.elapsed_steps[0])

    def _direction(self) -> Any:
        drawn = self._random.normal(size=3)
        return drawn / np.linalg.norm(drawn)


class FirstMotion:
    """No detour: counts the steps before a solution's first motion, in which the arm waits for its fingers.

    At the robot's own first pose they tell a policy nothing wrong; a demo that begins elsewhere would teach it to wait
    wherever it is. (150 such demos of PullCube brought a policy from 92 to 72 %.)
    """

    def __init__(self) -> None:
        self._moved = False
        self.steps = 0

    def take(self, solver: Any, move: Callable[..., Any]) -> None:  # noqa: ARG002
        """Note where the first motion begins."""
        if not self._moved:
            self._moved = True
            self.steps = int(solver.base_env.elapsed_steps[0])


def motions_of(solution: Callable[..., Any]) -> int:
    """Count the motions that a solution executes, in its source: it must be known before the first one."""
    source = inspect.getsource(solution)
    return max(1, source.count(f".{_MOVE}(") - source.count("dry_run=True"))


@contextmanager
def detours(detour: Detour | FirstMotion) -> Iterator[None]:
    """Let ManiSkill's solvers take a detour, or note the first motion, while the block runs."""
    from mani_skill.examples.motionplanning.base_motionplanner.motionplanner import BaseMotionPlanningSolver

    own = getattr(BaseMotionPlanningSolver, _MOVE)

    def move(solver: Any, pose: Any, dry_run: bool = False, refine_steps: int = 0) -> Any:
        if not dry_run:
            detour.take(solver, partial(own, solver))
        return own(solver, pose, dry_run=dry_run, refine_steps=refine_steps)

    setattr(BaseMotionPlanningSolver, _MOVE, move)
    try:
        yield
    finally:
        setattr(BaseMotionPlanningSolver, _MOVE, own)
