"""A scripted expert for tasks that bring one object onto or into another, from the simulator's own poses."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.errors import UsageError
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt
from mstool.simulators.libero.environment import CONTROL_MODE, LiberoSimulator
from mstool.simulators.libero.grasp import grasps
from mstool.simulators.libero.scene import Scene
from mstool.simulators.libero.tasks import find_task

# Suites all of whose tasks it can try.
SUITES = ("libero_spatial", "libero_object")
# How far above everything on its way the hand and what hangs in it are carried, m.
CLEARANCE_M = 0.04
# How far to both sides of its way, m.
HALF_WIDTH_M = 0.1
# An object that has risen less than this when the hand goes up was not grasped, m.
RISEN_M = 0.02
# A target counts as reached within this, m.
NEAR_M = 0.008
# After so many steps without coming nearer, the hand is as near as it gets.
PATIENCE = 6
OPEN, CLOSED = -1.0, 1.0


class LiberoExpert:
    """The planner of one task; `actions` of the last attempt are kept for whoever records it."""

    def __init__(self, env_id: str) -> None:
        check_solvable(env_id)
        self.simulator = LiberoSimulator(SimulatorSpec(env_id, CONTROL_MODE))
        self.states: list[Any] = []
        self.actions: list[Array] = []

    def solve(self, seed: int) -> Attempt:
        """Try one seed, until the task is solved."""
        simulator = self.simulator
        simulator.reset(seed)
        self.states, self.actions = [], []
        horizon = simulator.task.described().horizon
        for action in self._plan():
            self.states.append(simulator.state())
            self.actions.append(action)
            if simulator.step(action):
                self.states.append(simulator.state())
                return Attempt(seed, success=True, steps=len(self.actions))
            if len(self.actions) == horizon:
                break
        return Attempt(seed, success=False, steps=len(self.actions), failure="not successful")

    def close(self) -> None:
        """Free the simulator."""
        self.simulator.close()

    def _plan(self) -> Iterator[Array]:
        """Yield actions: above the object, down, close, up, above the target, down, open, away."""
        domain = self.simulator.env.env
        _, moved, target = domain.parsed_problem["goal_state"][0]
        scene = Scene(self.simulator.env, moved)
        for grasp in grasps(scene):
            points = scene.points(moved)
            lowest, top = points[:, 2].min(), points[:, 2].max()
            above = [
                *grasp.position[:2],
                max(top, scene.highest(scene.position, grasp.position, HALF_WIDTH_M)) + CLEARANCE_M,
            ]
            yield from self._move(scene, above, grasp.yaw, OPEN)
            yield from self._move(scene, grasp.position, grasp.yaw, OPEN)
            yield from self._hold(scene, grasp.position, grasp.yaw, CLOSED, 10)
            place, held = scene.target(target), scene.position - scene.centre(moved)
            hanging = scene.position[2] - lowest
            carrying = max(place[2], top, scene.highest(grasp.position, place, HALF_WIDTH_M)) + hanging + CLEARANCE_M
            yield from self._move(scene, [*scene.position[:2], carrying], grasp.yaw, CLOSED)
            if scene.points(moved)[:, 2].min() > lowest + RISEN_M:
                break
        over = place[:2] + held[:2]
        yield from self._move(scene, [*over, carrying], grasp.yaw, CLOSED)
        # The object hangs as it was taken up: what is left of its sideways offset is taken out once it is there.
        over = over + place[:2] - scene.centre(moved)[:2]
        yield from self._move(scene, [*over, place[2] + hanging], grasp.yaw, CLOSED)
        lowest = scene.position.copy()
        yield from self._hold(scene, lowest, grasp.yaw, OPEN, 10)
        yield from self._move(scene, [*lowest[:2], carrying], grasp.yaw, OPEN)
        yield from self._hold(scene, np.array([*lowest[:2], carrying]), grasp.yaw, OPEN, 20)

    def _move(self, scene: Scene, target: Any, yaw: float, gripper: float) -> Iterator[Array]:
        """Go to a place, until it is reached or the hand comes no nearer."""
        nearest, since = np.inf, 0
        while since < PATIENCE and (off := float(np.linalg.norm(target - scene.position))) > NEAR_M:
            since = 0 if off < nearest - 0.001 else since + 1
            nearest = min(nearest, off)
            yield scene.towards(np.asarray(target), yaw, gripper)

    def _hold(self, scene: Scene, target: Array, yaw: float, gripper: float, steps: int) -> Iterator[Array]:
        """Stay at a place while the fingers move."""
        for _ in range(steps):
            yield scene.towards(target, yaw, gripper)


def check_solvable(env_id: str) -> None:
    """Raise UsageError unless the expert is made for a task."""
    task = find_task(env_id)
    if task.suite not in SUITES:
        raise UsageError(
            f"there is no scripted expert for {env_id}: it picks up one object and puts it down, as in "
            f"{', '.join(SUITES)}; LIBERO has demos of its own",
            fix=f"mstool convert --env {env_id} --demos hub",
            change={"--demos": "hub"},
        )


def solvable(env_ids: list[str]) -> tuple[str, ...]:
    """Return those that the expert is made for."""
    return tuple(env_id for env_id in env_ids if env_id.partition("/")[0] in SUITES)
