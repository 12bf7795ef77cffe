"""Read ManiSkill demos: an HDF5 file of trajectories and the `.json` beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mstool.errors import DataError
from mstool.simulators.demos import Demo, RecordedStates
from mstool.simulators.hdf5 import (
    MOST_RATIO,
    SPARE_BYTES,
    UNREADABLE,
    has_flat_states,
    member,
    open_h5,
    read_actions,
    read_first_state,
    read_states,
    read_success,
    stamp,
    trajectories,
)
from mstool.simulators.maniskill.demos.listing import read_listing, reset_options_of, seed_of
from mstool.simulators.maniskill.solve import other_demos, other_source

# Arguments of the environment that conversion decides itself; everything else in a demo's `env_kwargs` is kept.
_OURS = {
    "obs_mode", "control_mode", "render_mode", "reward_mode", "sensor_configs", "human_render_camera_configs",
    "viewer_camera_configs", "sim_backend", "render_backend", "shader_dir", "num_envs", "max_episode_steps",
}  # fmt: skip


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
        self.json = self.path.with_suffix(".json")
        listing = read_listing(self.json)
        self.episodes: list[dict[str, Any]] = listing["episodes"]
        self.env_id = str(listing["env_info"]["env_id"])
        self.recorded_kwargs: dict[str, Any] = listing["env_info"].get("env_kwargs") or {}
        self.env_kwargs = {k: v for k, v in self.recorded_kwargs.items() if k not in _OURS}
        with self.open() as file:
            try:
                self._groups = trajectories(file)
            except UNREADABLE as error:
                raise DataError(f"{self.path} cannot be read: {error}") from error
            self._flat_states = any(has_flat_states(self._group(file, name)) for name in self._groups)
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

    @property
    def unlisted(self) -> list[str]:
        """The h5 groups that the `.json` does not list: nothing says their seed and control mode."""
        return sorted(self._groups.difference(self.group_names))

    def problems(self, *, limit: int | None = None) -> dict[int, str]:
        """Say what is wrong with each of the first `limit` episodes: {position: problem}, empty when all is well."""
        found: dict[int, str] = {}
        widths: dict[int, int] = {}
        # Many groups may share one array of zeros.
        left = SPARE_BYTES + MOST_RATIO * self.path.stat().st_size
        with self.open() as file:
            for position in range(len(self.episodes[:limit])):
                try:
                    actions = self._read(file, position).actions
                    widths[position], left = actions.shape[1], left - actions.nbytes
                except DataError as error:
                    found[position] = error.message
                if left < 0:
                    raise DataError(
                        f"{self.path} announces more actions than a file of its size holds",
                        fix=other_demos(self.env_id),
                        change={"--demos": other_source(self.env_id)},
                    )
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
        with self.open() as file:
            return [self._read(file, position) for position in positions]

    def recorded_states(self, position: int) -> RecordedStates:
        """Read all states of the episode at `position`, and whether it was solved at its end.

        Raises
        ------
        DataError
            The file holds none of it, or not one per action.

        """
        name = self.group_names[position]
        with self.open() as file:
            try:
                group = self._group(file, name)
                states = read_states(group, len(read_actions(group, name)))
                success = read_success(group)
            except UNREADABLE as error:
                raise DataError(f"{name} in {self.path.name} cannot be read: {error}") from error
        if success is None:
            success = self.episodes[position].get("success")
        return RecordedStates(states, None if success is None else bool(success))

    def check_replayable(self) -> None:
        """Check that an environment of this ManiSkill can begin where the episodes began.

        Raises
        ------
        DataError
            The states are those of ManiSkill2, whose seeds give other scenes.

        """
        if self._flat_states:
            raise DataError(
                f"{self.path} was recorded with ManiSkill2 (its env_states are flat arrays, not one per body): "
                "this ManiSkill cannot begin where its episodes began",
                fix=other_demos(self.env_id),
                change={"--demos": other_source(self.env_id)},
            )

    def open(self) -> h5py.File:
        """Open the file for reading; DataError with the cause where that cannot be done."""
        return open_h5(self.path)

    def _read(self, file: h5py.File, position: int) -> Demo:
        episode = self.episodes[position]
        name = f"traj_{episode['episode_id']}"
        where = f"{name} in {self.path.name}"
        mode = self._control_mode(episode)
        if not mode:
            raise DataError(f"episode {episode['episode_id']} of {self.json.name} has no control mode")
        if name not in self._groups:
            raise DataError(f"{name} is listed in {self.json.name} but missing in {self.path.name}")
        try:
            group = self._group(file, name)
            actions = read_actions(group, where)
            first_state = read_first_state(group)
            observed = member(group, "obs") is not None
        except UNREADABLE as error:
            raise DataError(f"{where} cannot be read: {error}") from error
        if actions.ndim != 2 or not len(actions):
            raise DataError(f"{where} has actions of shape {actions.shape}, expected (steps, width)")
        if not np.isfinite(actions).all():
            step = int(np.argwhere(~np.isfinite(actions))[0, 0])
            raise DataError(f"{where} has NaN or infinite actions, first at step {step}")
        if not all(np.isfinite(state).all() for bodies in (first_state or {}).values() for state in bodies.values()):
            raise DataError(f"{where} begins in a state with NaN or infinite numbers")
        return Demo(
            env_id=self.env_id,
            episode_id=int(episode["episode_id"]),
            seed=seed_of(episode),
            control_mode=mode,
            actions=actions,
            first_state=first_state,
            reset_options=reset_options_of(episode),
            env_kwargs=self.env_kwargs,
            observations=stamp(self.path) if observed else "",
            states=stamp(self.path) if first_state else "",
            disturbed=episode.get("disturbed") is True,
            listed_in=str(self.json),
        )

    @staticmethod
    def _group(file: h5py.File, name: str) -> h5py.Group:
        group = member(file, name)
        if not isinstance(group, h5py.Group):
            raise TypeError(f"{name} is not a group")
        return group

    def _control_mode(self, episode: Mapping[str, Any]) -> str:
        mode = episode.get("control_mode") or self.recorded_kwargs.get("control_mode", "")
        if not isinstance(mode, dict) or not mode:
            return str(mode or "")
        # Several robots: {key: mode}. ManiSkill makes all of them in one mode.
        if len(set(map(str, mode.values()))) > 1:
            raise DataError(
                f"episode {episode['episode_id']} of {self.path.name} has a control mode per robot ({mode}): "
                "ManiSkill can only make all robots of an environment in one"
            )
        return str(next(iter(mode.values())))


def find_h5(path: Path) -> Path:
    """Return the one `.h5` file that `path` is or holds; DataError when there is none or more than one."""
    if not path.exists():
        raise DataError(f"no such file or folder: {path}", fix="give --demos the .h5 file, `hub` or `generate`")
    if path.is_file():
        if path.suffix == ".json":
            raise DataError(f"{path} goes with a .h5 file", fix=f"--demos {path.with_suffix('.h5')}")
        return path
    # A pipe of that name would never end.
    found = sorted(each for each in path.rglob("*.h5") if each.is_file())
    if not found:
        raise DataError(f"{path} holds no .h5 file", fix="give --demos the .h5 file, `hub` or `generate`")
    if len(found) > 1:
        names = "\n  ".join(str(name) for name in found)
        raise DataError(f"{path} holds {len(found)} .h5 files:\n  {names}", fix=f"choose one: --demos {found[0]}")
    return found[0]
