"""A scripted expert for tasks that bring one object onto or into another, from the simulator's own poses.

It knows nothing of LIBERO's objects but where the points of their collision shapes are: it grasps what is narrow enough
around its middle, and anything wider (a bowl) by its rim.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.errors import UsageError
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt
from mstool.simulators.libero.environment import CONTROL_MODE, LiberoSimulator
from mstool.simulators.libero.tasks import find_task

# Suites all of whose tasks it can try.
SUITES = ("libero_spatial", "libero_object")
# m and rad per 1.0 of an action.
REACH_M, TURN_RAD = 0.05, 0.5
# The widest that is grasped around its middle, m; the fingers open 0.08.
WIDEST_M = 0.07
# How far above the scene things are carried, m.
CLEARANCE_M = 0.12
# A target counts as reached within this, m.
NEAR_M = 0.008
OPEN, CLOSED = -1.0, 1.0


@dataclass(frozen=True)
class Grasp:
    """Where the gripper's site is to be (3,) m, and how far the hand is turned about the vertical, rad."""

    position: Array
    yaw: float


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
        grasp = scene.grasp()
        yield from self._move(scene, [*grasp.position[:2], scene.carrying], grasp.yaw, OPEN)
        yield from self._move(scene, grasp.position, grasp.yaw, OPEN)
        yield from self._hold(scene, grasp.position, grasp.yaw, CLOSED, 10)
        held = scene.position - scene.centre(moved)
        yield from self._move(scene, [*grasp.position[:2], scene.carrying], grasp.yaw, CLOSED)
        place = scene.target(target)
        above = place[:2] + held[:2]
        yield from self._move(scene, [*above, scene.carrying], grasp.yaw, CLOSED)
        # The object hangs as it was taken up: what is left of its sideways offset is taken out once it is there.
        above = above + place[:2] - scene.centre(moved)[:2]
        yield from self._move(scene, [*above, place[2] + held[2] + scene.half_height], grasp.yaw, CLOSED, most=40)
        lowest = scene.position.copy()
        yield from self._hold(scene, lowest, grasp.yaw, OPEN, 10)
        yield from self._move(scene, [*lowest[:2], scene.carrying], grasp.yaw, OPEN)
        yield from self._hold(scene, np.array([*lowest[:2], scene.carrying]), grasp.yaw, OPEN, 20)

    def _move(self, scene: "Scene", target: Any, yaw: float, gripper: float, *, most: int = 80) -> Iterator[Array]:
        """Go to a place, at most for `most` steps."""
        for _ in range(most):
            if np.linalg.norm(target - scene.position) < NEAR_M:
                return
            yield scene.towards(np.asarray(target), yaw, gripper)

    def _hold(self, scene: "Scene", target: Array, yaw: float, gripper: float, steps: int) -> Iterator[Array]:
        """Stay at a place while the fingers move."""
        for _ in range(steps):
            yield scene.towards(target, yaw, gripper)


class Scene:
    """What the expert knows of the simulated scene; `env` is LIBERO's `ControlEnv`, `moved` the object's name."""

    def __init__(self, env: Any, moved: str) -> None:
        self._env = env
        self._moved = moved
        # The hand straight down, as it nearly is at the beginning.
        self._down = np.round(self._arm.ee_ori_mat)
        self._points = self.points(moved)
        self.half_height = float(np.ptp(self._points[:, 2])) / 2
        self.carrying = float(self._points[:, 2].max()) + CLEARANCE_M + self.half_height

    @property
    def _arm(self) -> Any:
        return self._env.robots[0].controller

    @property
    def position(self) -> Array:
        """Where the gripper's site is now, (3,) m."""
        self._arm.update(force=True)
        position: Array = self._arm.ee_pos
        return position

    def centre(self, name: str) -> Array:
        """Return the middle of an object's box, (3,) m."""
        points = self.points(name)
        middle: Array = (points.min(0) + points.max(0)) / 2
        return middle

    def target(self, name: str) -> Array:
        """Return where an object is to be put down, (3,) m: a thing's middle and top, or a region's."""
        domain, sim = self._env.env, self._env.sim
        if name in domain.object_sites_dict:
            place: Array = sim.data.get_site_xpos(name).copy()
            return place
        middle = self.centre(name)
        return np.array([*middle[:2], self.points(name)[:, 2].max()])

    def points(self, name: str) -> Array:
        """Return the corners and vertices (N, 3) m of an object's collision shapes, in the world."""
        sim, body = self._env.sim, self._env.env.obj_body_id[name]
        model = sim.model._model
        inside = {b for b in range(model.nbody) if b == body or model.body_rootid[b] == body}
        found = [
            _shape(model, geom) @ sim.data.geom_xmat[geom].reshape(3, 3).T + sim.data.geom_xpos[geom]
            for geom in range(model.ngeom)
            if model.geom_bodyid[geom] in inside and model.geom_group[geom] == 0
        ]
        return np.concatenate(found)

    def grasp(self) -> Grasp:
        """Choose where to take hold of the object."""
        points, low, high = self._points, self._points.min(0), self._points.max(0)
        fingers = self._down[:2, 0]  # along which the fingers open
        # Never deeper than the fingers are long, never into the table.
        height = max(high[2] - 0.03, low[2] + min(0.012, self.half_height))
        for yaw in sorted(np.radians(np.arange(-90, 90, 15)), key=abs):
            along = points[:, :2] @ (_turn(yaw)[:2, :2] @ fingers)
            if np.ptp(along) < WIDEST_M:
                return Grasp(np.array([*self.centre(self._moved)[:2], height]), float(yaw))
        rim = points[points[:, 2] > high[2] - 0.008]
        others = self._others()
        best: tuple[float, Grasp] | None = None
        for yaw in (0.0, np.pi / 2):
            along = _turn(yaw)[:2, :2] @ fingers
            for side in (-1.0, 1.0):
                reach = float((rim[:, :2] @ along * side).max()) - 0.004
                across = self.centre(self._moved)[:2]
                place = across + along * side * (reach - across @ along * side)
                outer = place + along * side * 0.04
                room = float(np.linalg.norm(others - outer, axis=1).min()) if len(others) else 1.0
                score = min(room, 0.06) - (0.02 if yaw else 0.0)
                if best is None or score > best[0]:
                    best = score, Grasp(np.array([*place, high[2] - 0.012]), float(yaw))
        assert best is not None
        return best[1]

    def _others(self) -> Array:
        """Return the points (N, 2) of everything else that is as high as the object's rim."""
        domain = self._env.env
        names = [name for name in (*domain.objects_dict, *domain.fixtures_dict) if name != self._moved]
        names = [name for name in names if "table" not in name and "floor" not in name]
        points = np.concatenate([self.points(name) for name in names]) if names else np.zeros((0, 3))
        return points[points[:, 2] > self._points[:, 2].max() - 0.03][:, :2]

    def towards(self, target: Array, yaw: float, gripper: float) -> Array:
        """Return the action (7,) float32 that goes to a place with the hand turned by `yaw`."""
        from scipy.spatial.transform import Rotation

        way = (target - self.position) / REACH_M
        error = Rotation.from_matrix(_turn(yaw) @ self._down @ self._arm.ee_ori_mat.T).as_rotvec()
        action = np.concatenate([np.clip(way, -1, 1), np.clip(error / TURN_RAD, -0.5, 0.5), [gripper]])
        return action.astype(np.float32)


def check_solvable(env_id: str) -> None:
    """Raise UsageError unless the expert is made for a task."""
    task = find_task(env_id)
    if task.suite not in SUITES:
        raise UsageError(
            f"there is no expert for {env_id}: it picks up one object and puts it down, as in {', '.join(SUITES)}",
            fix=f"mstool convert --env {env_id} --demos hub takes LIBERO's own demos",
        )


def solvable(env_ids: list[str]) -> tuple[str, ...]:
    """Return those that the expert is made for."""
    return tuple(env_id for env_id in env_ids if env_id.partition("/")[0] in SUITES)


def _turn(yaw: float) -> Array:
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _shape(model: Any, geom: int) -> Array:
    """Return points (N, 3) of a geom in its own frame: a mesh's vertices, else the corners of its box."""
    import mujoco

    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first = model.mesh_vertadr[mesh]
        vertices: Array = model.mesh_vert[first : first + model.mesh_vertnum[mesh]]
        return vertices
    half = model.geom_aabb[geom][3:]
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    corners: Array = model.geom_aabb[geom][:3] + signs * half
    return corners
