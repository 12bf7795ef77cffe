"""Read ManiSkill demos: an HDF5 file of trajectories and the `.json` beside it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mstool.contract import Array
from mstool.errors import DataError
from mstool.maniskill2lerobot.demos.groups import read_actions, read_first_state, stamp

# Arguments of the environment that conversion decides itself; everything else in a demo's `env_kwargs` is kept.
_OURS = {
    "obs_mode", "control_mode", "render_mode", "reward_mode", "sensor_configs", "human_render_camera_configs",
    "viewer_camera_configs", "sim_backend", "render_backend", "shader_dir", "num_envs", "max_episode_steps",
}  # fmt: skip


@dataclass(frozen=True)
class Demo:
    """One demonstrated episode."""

    env_id: str
    # `episode_id` in the `.json`: the h5 group is `traj_<id>`.
    episode_id: int
    seed: int
    control_mode: str
    # (T, A) float32, as ManiSkill executed them.
    actions: Array
    # The environment's state before the first action: {"actors": {name: (13,)}, "articulations": {name: (n,)}}.
    first_state: Mapping[str, Mapping[str, Array]] | None = None
    reset_options: Mapping[str, Any] = field(default_factory=dict)
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    # Which recorded observations belong to it: "" for none, else the file's size and time of change.
    observations: str = ""


class DemoFile:
    """A ManiSkill trajectory pair, checked when it is opened.

    Parameters
    ----------
    path
        The `.h5` file, or a folder that holds exactly one (at any depth).

    Raises
    ------
    DataError
        A file is missing, damaged, or does not hold what a ManiSkill demo holds.

    """

    def __init__(self, path: Path) -> None:
        self.path = find_h5(path)
        self._info = _read_json(self.path.with_suffix(".json"))
        env_info = self._info.get("env_info")
        if not isinstance(env_info, dict) or not env_info.get("env_id"):
            raise DataError(f"{self.path.with_suffix('.json')} does not name its environment (env_info.env_id)")
        self.env_id = str(env_info["env_id"])
        self.env_kwargs = {k: v for k, v in (env_info.get("env_kwargs") or {}).items() if k not in _OURS}
        self.recorded_kwargs: dict[str, Any] = env_info.get("env_kwargs") or {}
        self.episodes = self._episodes()
        with self._open() as file:
            self._groups = {name for name in file if name.startswith("traj_")}
        if not self._groups:
            raise DataError(f"{self.path} holds no trajectory: it has no group named traj_0, traj_1, ...")

    @property
    def control_mode(self) -> str:
        """The control mode of the first episode (empty when the `.json` does not say)."""
        return self._control_mode(self.episodes[0])

    @property
    def group_names(self) -> list[str]:
        """The h5 group of every episode, in the order of the `.json`."""
        return [f"traj_{episode['episode_id']}" for episode in self.episodes]

    def __len__(self) -> int:
        """Return the number of episodes that the `.json` lists."""
        return len(self.episodes)

    def steps(self, position: int) -> int:
        """Return how many steps an episode has as far as the `.json` says, else 0; the actions decide."""
        steps = self.episodes[position].get("elapsed_steps")
        return steps if isinstance(steps, int) else 0

    def problems(self, *, limit: int | None = None) -> dict[int, str]:
        """Say what is wrong with each of the first `limit` episodes: {position: problem}, empty when all is well."""
        found: dict[int, str] = {}
        widths: dict[int, int] = {}
        with self._open() as file:
            for position in range(len(self.episodes[:limit])):
                try:
                    widths[position] = self._read(file, position).actions.shape[1]
                except DataError as error:
                    found[position] = error.message
        usual = Counter(widths.values()).most_common(1)
        for position, width in widths.items():
            if width != usual[0][0]:
                name = f"traj_{self.episodes[position]['episode_id']}"
                found[position] = f"{name} has actions {width} wide, the other episodes {usual[0][0]}"
        return dict(sorted(found.items()))

    def read(self, position: int) -> Demo:
        """Read the episode at `position` in the `.json`'s list."""
        return self.read_many([position])[0]

    def read_many(self, positions: Sequence[int]) -> list[Demo]:
        """Read several episodes, opening the file once."""
        with self._open() as file:
            return [self._read(file, position) for position in positions]

    def _read(self, file: h5py.File, position: int) -> Demo:
        episode = self.episodes[position]
        name = f"traj_{episode['episode_id']}"
        if name not in self._groups:
            raise DataError(
                f"{name} is listed in {self.path.with_suffix('.json').name} but missing in {self.path.name}"
            )
        group = file[name]
        if "actions" not in group:
            raise DataError(f"{name} in {self.path.name} has no actions")
        actions = read_actions(group["actions"], f"{name} in {self.path.name}")
        if actions.ndim != 2 or not len(actions):
            raise DataError(f"{name} in {self.path.name} has actions of shape {actions.shape}, expected (steps, width)")
        if not np.isfinite(actions).all():
            step = int(np.argwhere(~np.isfinite(actions))[0, 0])
            raise DataError(f"{name} in {self.path.name} has NaN or infinite actions, first at step {step}")
        return Demo(
            env_id=self.env_id,
            episode_id=int(episode["episode_id"]),
            seed=_seed(episode),
            control_mode=self._control_mode(episode),
            actions=actions,
            first_state=read_first_state(group),
            reset_options=(episode.get("reset_kwargs") or {}).get("options") or {},
            env_kwargs=self.env_kwargs,
            observations=stamp(self.path) if "obs" in group else "",
        )

    def _control_mode(self, episode: Mapping[str, Any]) -> str:
        mode = episode.get("control_mode") or self.recorded_kwargs.get("control_mode", "")
        if not isinstance(mode, dict):
            return str(mode)
        # Several robots: {key: mode}. ManiSkill makes all of them in one mode.
        if len(set(mode.values())) > 1:
            raise DataError(
                f"episode {episode['episode_id']} of {self.path.name} has a control mode per robot ({mode}): "
                "ManiSkill can only make all robots of an environment in one"
            )
        return str(next(iter(mode.values())))

    def _episodes(self) -> list[dict[str, Any]]:
        episodes = self._info.get("episodes")
        if not isinstance(episodes, list) or not episodes:
            raise DataError(f"{self.path.with_suffix('.json')} lists no episodes")
        for i, episode in enumerate(episodes):
            if not isinstance(episode, dict) or "episode_id" not in episode:
                raise DataError(f"{self.path.with_suffix('.json')}: episode {i} has no episode_id")
        return episodes

    def _open(self) -> h5py.File:
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise DataError(f"{self.path} is not a readable HDF5 file (truncated, or not HDF5): {error}") from error


def find_h5(path: Path) -> Path:
    """Return the one `.h5` file that `path` is or holds; DataError when there is none or more than one."""
    if not path.exists():
        raise DataError(f"no such file or folder: {path}", fix="give --demos the .h5 file, `hub` or `generate`")
    if path.is_file():
        return path
    found = sorted(path.rglob("*.h5"))
    if not found:
        raise DataError(f"{path} holds no .h5 file", fix="give --demos the .h5 file, `hub` or `generate`")
    if len(found) > 1:
        names = "\n  ".join(str(name) for name in found)
        raise DataError(f"{path} holds {len(found)} .h5 files:\n  {names}", fix=f"choose one: --demos {found[0]}")
    return found[0]


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path} is missing: ManiSkill keeps an episode's seed and control mode there")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(info, dict):
        raise DataError(f"{path} holds a {type(info).__name__}, expected an object with env_info and episodes")
    return info


def _seed(episode: Mapping[str, Any]) -> int:
    seed = (episode.get("reset_kwargs") or {}).get("seed", episode.get("episode_seed"))
    seed = seed[0] if isinstance(seed, list) else seed
    if seed is None:
        raise DataError(f"episode {episode['episode_id']} has no seed")
    return int(seed)
