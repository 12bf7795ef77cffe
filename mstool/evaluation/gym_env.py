"""One ManiSkill task as a Gymnasium environment in a dataset's layout, with the attributes that LeRobot reads."""

from typing import Any

import gymnasium as gym
import numpy as np

from mstool.contract import Array
from mstool.dataset.conventions import Conventions
from mstool.errors import UsageError
from mstool.evaluation.openpi.observations import vector_dims
from mstool.evaluation.plan import EvalTask
from mstool.evaluation.scene import Scene, dataset_views, layout_of

IMAGES = "observation.images."


class ManiskillEnv(gym.Env):  # type: ignore[misc]
    """One task; an episode ends when it is solved, or after `task.horizon` control steps.

    Raises
    ------
    UsageError
        At a reset: the seed is one of a training episode.

    """

    def __init__(
        self, conventions: Conventions, task: EvalTask, *, seed_offset: int = 0, render_mode: str = "rgb_array"
    ) -> None:
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": conventions.fps}
        self.render_mode = render_mode
        # LeRobot reads these three.
        self.task = task.env_id
        self.task_description = task.prompt
        self._max_episode_steps = task.horizon
        self._conventions = conventions
        self._cameras = cameras_of(conventions)
        self._seed_offset = seed_offset
        self._seed = -1
        self._step = 0
        self._scene: Scene | None = None
        self._pictures: dict[str, Array] = {}
        height, width = conventions.record.image_size
        box = gym.spaces.Box
        spaces = {
            "pixels": gym.spaces.Dict({name: box(0, 255, (height, width, 3), np.uint8) for name in self._cameras}),
            "agent_pos": box(-np.inf, np.inf, (state_dims(conventions),), np.float32),
        }
        if conventions.record.goal == "state":
            spaces["environment_state"] = box(-np.inf, np.inf, (3,), np.float32)
        self.observation_space = gym.spaces.Dict(spaces)
        self.action_space = box(-np.inf, np.inf, (action_dims(conventions),), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start the episode of `seed` (plus the offset); without one, the episode after the last."""
        super().reset(seed=seed, options=options)
        self._seed = self._seed + 1 if seed is None else seed
        chosen = self._seed + self._seed_offset
        if chosen in self._conventions.seeds(self.task):
            raise UsageError(
                f"{self.task}: seed {chosen} is one that the policy was trained on",
                fix=f"add --env.seed_offset={max(self._conventions.seeds(self.task)) + 1}",
            )
        if self._scene is None:
            self._scene = Scene(self._conventions, self.task)
        self._scene.reset(chosen)
        self._step = 0
        return self._observe(), {"is_success": False}

    def step(self, action: Array) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Execute one action (D,) of the layout; the reward is 1 when the task is solved."""
        assert self._scene is not None, "reset comes first"
        solved = self._scene.step(np.asarray(action, np.float32))
        self._step += 1
        over = not solved and self._step >= self._max_episode_steps
        return self._observe(), float(solved), solved, over, {"is_success": solved}

    def render(self) -> Array:
        """Return the views as they are now, side by side: (H, W * views, 3) uint8."""
        return np.concatenate(list(self._pictures.values()), axis=1)

    def close(self) -> None:
        """Free the simulator."""
        if self._scene is not None:
            self._scene.close()
            self._scene = None

    def _observe(self) -> dict[str, Any]:
        assert self._scene is not None
        views = self._scene.images()
        self._pictures = {name: views[view] for name, view in self._cameras.items()}
        seen: dict[str, Any] = {"pixels": self._pictures, "agent_pos": self._scene.state()}
        goal = self._scene.goal()
        return seen if goal is None else {**seen, "environment_state": goal}


def cameras_of(conventions: Conventions) -> dict[str, str]:
    """Return {LeRobot's name of a camera: view}, in the layout's order."""
    views = dataset_views(conventions)
    cameras = layout_of(conventions).cameras_of(views)
    return {camera.lerobot.removeprefix(IMAGES): camera.view for camera in cameras}


def state_dims(conventions: Conventions) -> int:
    """Return the width S of the state."""
    return vector_dims(conventions, "observation.state", *(name for name, _ in layout_of(conventions).openpi_state))


def action_dims(conventions: Conventions) -> int:
    """Return the width D of an action."""
    return vector_dims(conventions, "action", "actions")
