"""Solved episodes as ManiSkill writes them: `trajectory.h5` and `trajectory.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import gymnasium
import h5py

from mstool.json_files import load_json
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, Rollout
from mstool.simulators.hdf5_writing import HeldFile
from mstool.simulators.maniskill.build import arguments_of, build_env
from mstool.simulators.maniskill.robots import as_maniskill_action
from mstool.simulators.maniskill.solve import (
    CONTROL_MODE,
    NOT_SUCCESSFUL,
    RebuiltScene,
    is_solved,
    make_planning_env,
    solve_episode,
)

# How ManiSkill's own planner demos were made, so that whatever reads those reads ours. Our environment has no
# renderer; a reader that replays a demo with pictures chooses one itself.
_ENV_KWARGS = {
    "obs_mode": "none",
    "control_mode": CONTROL_MODE,
    "render_mode": "rgb_array",
    "sensor_configs": {"shader_pack": "default"},
    "human_render_camera_configs": {"shader_pack": "default"},
    "viewer_camera_configs": {"shader_pack": "default"},
    "sim_backend": "physx_cpu",
}
_SOURCE = "official motion planning solution from ManiSkill contributors"


class Recorder:
    """Keeps the episodes of an environment that succeed in `<folder>/trajectory.h5` and `.json`.

    The files are complete once the recorder is closed, which leaving its `with` block does. `mark` is what the listing
    says of each of its episodes besides.
    """

    mark: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self, env: gymnasium.Env, folder: Path, kwargs: Mapping[str, Any], *, source_type: str, source: str
    ) -> None:
        from mani_skill.utils.wrappers.record import RecordEpisode

        self._json = folder / "trajectory.json"
        self._kwargs = {**_ENV_KWARGS, **kwargs}
        self._env: Any = RecordEpisode(
            env,
            output_dir=str(folder),
            trajectory_name="trajectory",
            save_video=False,
            save_on_reset=False,
            record_reward=False,
            record_env_state=True,
            source_type=source_type,
            source_desc=source,
        )
        self._env._h5_file.close()
        self._env._h5_file = HeldFile(folder / "trajectory.h5")

    def copy_last(self, file: h5py.File) -> None:
        """Hand the last episode on: its arrays as `trajectory`, what the listing says as JSON, `listing`."""
        document = load_json(self._json)
        document["env_info"]["env_kwargs"] = self._kwargs
        document["episodes"] = [{**document["episodes"][-1], **self.mark}]
        name = f"traj_{document['episodes'][0]['episode_id']}"
        self._env._h5_file.copy(name, file, name="trajectory")
        file["listing"] = json.dumps(document)
        # It is kept there now.
        del self._env._h5_file[name]
        self._env._json_data["episodes"].clear()

    def close(self) -> None:
        """Finish both files."""
        self._env.close()
        document = load_json(self._json)
        document["env_info"]["env_kwargs"] = self._kwargs
        self._json.write_text(json.dumps(document, indent=2) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # Interrupted half-way through an episode, the two files need not agree: leave them unfinished.
            self._env.clean_on_close = False
            self._env.close()
            return
        self.close()


class DemoRecorder(Recorder):
    """Attempts episodes with ManiSkill's solution and keeps the successful ones.

    Parameters
    ----------
    env_id
        An environment of `solvable_envs`.
    folder
        An existing, empty folder.
    robot
        ManiSkill's name of a robot; None takes the environment's own.
    disturb
        Share of the seeds on which the planner is disturbed; the steps of that are recorded like all others.

    Raises
    ------
    UsageError
        ManiSkill has no solution for the environment with this robot.

    """

    def __init__(self, env_id: str, folder: Path, *, robot: str | None = None, disturb: float = 0.0) -> None:
        self.env_id = env_id
        self._disturb = disturb
        kwargs = {"robot_uids": robot} if robot else {}
        env = make_planning_env(env_id, robot)
        super().__init__(env, folder, kwargs, source_type="motionplanning", source=_SOURCE)

    def attempt(self, seed: int) -> Attempt:
        """Run the solution on one seed; a success becomes the next trajectory, a failure leaves no trace."""
        outcome = solve_episode(self._env, self.env_id, seed, disturb=self._disturb)
        self._env.flush_trajectory(save=outcome.success)
        return outcome


class RolloutRecorder(Recorder):
    """Executes once more what a policy did, without pictures, and keeps it.

    An episode is a function of its seed and its actions alone, so it comes out the same.

    Parameters
    ----------
    spec
        The environment, in the control mode of the actions.
    folder
        An existing, empty folder.
    source
        Who acted, in words.

    """

    def __init__(self, spec: SimulatorSpec, folder: Path, source: str) -> None:
        kwargs = arguments_of(spec)
        env = RebuiltScene(build_env(spec.env_id, spec.control_mode, kwargs, said_in=spec.env_kwargs_in))
        kwargs["control_mode"] = spec.control_mode
        super().__init__(env, folder, kwargs, source_type="policy", source=source)

    def attempt(self, rollout: Rollout) -> Attempt:
        """Execute one episode; a success becomes the next trajectory, a failure leaves no trace."""
        base = self._env.unwrapped
        self._env.reset(seed=rollout.attempt.seed)
        for action in rollout.actions:
            self._env.step(as_maniskill_action(base.agent, action))
        success = is_solved(self._env)
        self._env.flush_trajectory(save=success)
        return Attempt(rollout.attempt.seed, success, len(rollout.actions), "" if success else NOT_SUCCESSFUL)
