"""What the expert knows of a scene: where the points of collision shapes are, and the hand."""

from functools import cached_property
from typing import Any

import numpy as np

from mstool.contract import Array

# m and rad per 1.0 of an action.
REACH_M, TURN_RAD = 0.05, 0.5
# The controller asks for its own error, which friction leaves standing; twice that much halves what is left.
GAIN = 2.0
# How densely the surface of a box is covered with points, m.
SPACING_M = 0.01


class Scene:
    """The simulated scene as it is when this is made; `env` is LIBERO's `ControlEnv`, `moved` the object's name."""

    def __init__(self, env: Any, moved: str) -> None:
        self._env = env
        self.moved = moved
        # The hand straight down, as it nearly is at the beginning.
        self._down = np.round(self._arm.ee_ori_mat)
        # (2,) along which the fingers open.
        self.fingers: Array = self._down[:2, 0]

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
        """Return the middle of an object's box, (3,) m, where it is now."""
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
        """Return points (N, 3) m that cover an object's collision shapes, in the world, where it is now."""
        sim, body = self._env.sim, self._env.env.obj_body_id[name]
        model = sim.model._model
        found = [
            _shape(model, geom) @ sim.data.geom_xmat[geom].reshape(3, 3).T + sim.data.geom_xpos[geom]
            for geom in range(model.ngeom)
            if model.body_rootid[model.geom_bodyid[geom]] == body and model.geom_group[geom] == 0
        ]
        return np.concatenate(found)

    @cached_property
    def others(self) -> Array:
        """Points (N, 3) m of everything but the object, as they were when first asked for; without the table."""
        domain = self._env.env
        names = [name for name in (*domain.objects_dict, *domain.fixtures_dict) if name != self.moved]
        found = [self.points(name) for name in names if "table" not in name and "floor" not in name]
        return np.concatenate([*found, np.zeros((0, 3))])

    def highest(self, start: Array, end: Array, width: float) -> float:
        """Return how high anything else stands within `width` m of the way between two places, m; -inf for nothing."""
        way = (end - start)[:2]
        part = np.clip((self.others[:, :2] - start[:2]) @ way / max(way @ way, 1e-9), 0, 1)
        off = np.linalg.norm(self.others[:, :2] - start[:2] - part[:, None] * way, axis=1)
        return float(self.others[off < width, 2].max(initial=-np.inf))

    def towards(self, target: Array, yaw: float, gripper: float) -> Array:
        """Return the action (7,) float32 that goes to a place with the hand turned by `yaw`."""
        from scipy.spatial.transform import Rotation

        way = GAIN * (target - self.position) / REACH_M
        error = Rotation.from_matrix(turn(yaw) @ self._down @ self._arm.ee_ori_mat.T).as_rotvec()
        action = np.concatenate([np.clip(way, -1, 1), np.clip(error / TURN_RAD, -0.5, 0.5), [gripper]])
        return action.astype(np.float32)


def turn(yaw: float) -> Array:
    """Return the rotation (3, 3) about the vertical."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _shape(model: Any, geom: int) -> Array:
    """Return points (N, 3) of a geom in its own frame: a mesh's vertices, else a grid on its box."""
    import mujoco

    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first = model.mesh_vertadr[mesh]
        vertices: Array = model.mesh_vert[first : first + model.mesh_vertnum[mesh]]
        return vertices
    half = model.geom_aabb[geom][3:]
    axes = [np.linspace(-size, size, 2 + int(2 * size / SPACING_M)) for size in half]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    surface: Array = grid[(np.abs(np.abs(grid) - half) < 1e-9).any(axis=1)]
    return surface + model.geom_aabb[geom][:3]
