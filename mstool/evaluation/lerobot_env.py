"""ManiSkill as a LeRobot environment: `--env.type=maniskill` for `lerobot-eval` and for evaluation in `lerobot-train`.

LeRobot finds it through the distribution `lerobot_env_maniskill` (`plugins/`), which imports this module. An
environment is built from what a dataset, or a checkpoint of `mstool finetune`, recorded of itself, so that a policy
sees what it was trained on: `--env.dataset=data/PickCube-v1`.

What LeRobot gets (`lerobot/envs/utils.py`, `preprocess_observation`):

===================  ==================  ========================================================
here                 shape               there
===================  ==================  ========================================================
pixels/<camera>      (H, W, 3) uint8     observation.images.<camera>, as in the v3.0 dataset
agent_pos            (S,) float32        observation.state, in the dataset's layout
environment_state    (3,) float32, m     observation.environment_state, with `--goal state`
action               (D,) float32        action, in the dataset's layout
===================  ==================  ========================================================
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.envs.utils import freeze_after_episode_end

from mstool.dataset.column_names import GOAL_COLUMN
from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.locate import is_dataset
from mstool.errors import UsageError
from mstool.evaluation.gym_env import IMAGES, ManiskillEnv, action_dims, cameras_of, state_dims
from mstool.evaluation.plan import SUITES, EvalTask, choose_envs, plan_tasks


@EnvConfig.register_subclass("maniskill")
@dataclass
class ManiskillEnvConfig(EnvConfig):  # type: ignore[misc]
    """ManiSkill tasks as a dataset of `mstool convert` has them."""

    # Folder of a dataset or of a checkpoint that says what the numbers mean.
    dataset: str = ""
    # Environments, comma-separated, or a suite (seed6, all); by default those of the dataset.
    task: str | None = None
    # Control frequency, Hz; the dataset's.
    fps: int = 20
    # The most control steps of an episode; by default the manifest's for each task.
    episode_length: int | None = None
    # The sentence given to the policy; by default the dataset's own, else the manifest's.
    instruction: str | None = None
    # Added to LeRobot's seeds (1000, 1001, ...), so that they are none of the training episodes'.
    seed_offset: int = 10_000
    render_mode: str = "rgb_array"
    features: dict[str, PolicyFeature] = field(default_factory=dict)
    features_map: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take frequency and features from the dataset."""
        if not self.dataset:
            return
        conventions = load_conventions(Path(self.dataset).expanduser())
        height, width = conventions.record.image_size
        table: dict[str, tuple[Any, tuple[int, ...], str]] = {
            "action": (FeatureType.ACTION, (action_dims(conventions),), "action"),
            "agent_pos": (FeatureType.STATE, (state_dims(conventions),), "observation.state"),
        }
        for camera in cameras_of(conventions):
            table[f"pixels/{camera}"] = (FeatureType.VISUAL, (int(height), int(width), 3), IMAGES + camera)
        if conventions.record.goal == "state":
            table["environment_state"] = (FeatureType.ENV, (3,), GOAL_COLUMN)
        self.fps = conventions.fps
        self.features = {name: PolicyFeature(type=kind, shape=shape) for name, (kind, shape, _) in table.items()}
        self.features_map = {name: there for name, (_, _, there) in table.items()}

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        """Return nothing: environments are made here, not by `gym.make`."""
        return {}

    def create_envs(self, n_envs: int, use_async_envs: bool = False) -> dict[str, dict[int, Any]]:
        """Return {environment id: {0: vector environment}}; simulators are built at the first reset.

        Raises
        ------
        UsageError
            No dataset is named, or a task is unknown.
        DataError
            The folder does not say what its numbers mean.

        """
        if not self.dataset:
            raise UsageError(
                "--env.type=maniskill builds what a dataset was made in, and no dataset is named",
                fix="add --env.dataset=DATASET, or the folder of a checkpoint of mstool finetune",
            )
        root = Path(self.dataset).expanduser()
        conventions = load_conventions(root)
        suite = self.task if self.task in SUITES else None
        envs = choose_envs([self.task] if self.task and not suite else [], suite, conventions)
        tasks = plan_tasks(
            envs,
            conventions,
            seeds=range(0),
            instruction=self.instruction,
            horizon=self.episode_length,
            dataset=root if is_dataset(root) else None,
        )
        return {task.env_id: {0: self._vector(conventions, task, n_envs, use_async_envs)} for task in tasks}

    def _vector(self, conventions: Conventions, task: EvalTask, n_envs: int, use_async_envs: bool) -> Any:
        make = partial(ManiskillEnv, conventions, task, seed_offset=self.seed_offset, render_mode=self.render_mode)
        functions = [freeze_after_episode_end(make) for _ in range(n_envs)]
        mode = gym.vector.AutoresetMode.NEXT_STEP
        if use_async_envs and n_envs > 1:
            return gym.vector.AsyncVectorEnv(functions, context="forkserver", autoreset_mode=mode)
        return gym.vector.SyncVectorEnv(functions, autoreset_mode=mode)
