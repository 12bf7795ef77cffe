"""Decide where an environment's demos come from, and bring them here."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.errors import DataError
from mstool.maniskill2lerobot.demos import hub
from mstool.maniskill2lerobot.demos.generate import generate_demos
from mstool.maniskill2lerobot.demos.reader import DemoFile, find_h5
from mstool.progress import Notify
from mstool.simulation.registry import env_ids
from mstool.simulation.solve import other_demos, solvable_envs

CACHE = Path("data") / "demos"


@dataclass(frozen=True)
class DemoSource:
    """An opened demo file and how it came here (`local`, `hub` or `generate`)."""

    demos: DemoFile
    origin: str

    def describe(self) -> dict[str, Any]:
        """Return what the dataset's record says of it."""
        return {"env_id": self.demos.env_id, "origin": self.origin, "env_kwargs": self.demos.env_kwargs}


def open_demos(env_id: str, where: str | None, *, episodes: int | None, seed: int, notify: Notify) -> DemoSource:
    """Open the demos of `env_id`.

    Parameters
    ----------
    env_id
        The environment they must be of.
    where
        A path, `hub`, `generate`, or None: the local cache if it holds enough, else the hub if it answers quickly,
        else generate.
    episodes
        How many are wanted; None takes what there is (10 when they must be generated).
    seed
        First seed for generated demos.
    notify
        Called with one line on what was chosen.

    Raises
    ------
    DataError
        The demos are missing, damaged or of another environment.
    UsageError
        They would have to be generated, and ManiSkill has no solution for the environment.

    """
    origin, path = _resolve(env_id, where, episodes=episodes, seed=seed, notify=notify)
    try:
        demos = DemoFile(path)
    except DataError as error:
        raise DataError(error.message, fix=error.fix or other_demos(env_id)) from error
    if demos.env_id != env_id:
        known = demos.env_id in env_ids()
        raise DataError(
            f"{demos.path} holds demos of {demos.env_id}"
            + (f", not of {env_id}" if known else ", which this ManiSkill does not have"),
            fix=f"mstool convert --env {demos.env_id} --demos {path}" if known else other_demos(env_id),
        )
    return DemoSource(demos, origin)


def _resolve(env_id: str, where: str | None, *, episodes: int | None, seed: int, notify: Notify) -> tuple[str, Path]:
    if where == "generate":
        return "generate", _generated(env_id, episodes or 10, seed, notify)
    if where == "hub":
        notify(f"demos: {hub.REPO} on {hub.endpoint()}")
        return "hub", hub.download_demos(env_id, CACHE / env_id)
    if where is not None:
        return "local", Path(where)
    for folder in _caches(env_id):
        if _holds(folder, episodes):
            notify(f"demos: {folder} (local cache)")
            return "local", folder
    if hub.reachable():
        notify(f"demos: {hub.REPO} on {hub.endpoint()}")
        try:
            return "hub", hub.download_demos(env_id, CACHE / env_id)
        except DataError as error:
            if env_id not in solvable_envs():
                raise
            notify(f"demos: {error.message}")
    return "generate", _generated(env_id, episodes or 10, seed, notify)


def _generated(env_id: str, episodes: int, seed: int, notify: Notify) -> Path:
    folder = CACHE / env_id / f"generated-seed{seed}-n{episodes}"
    if _holds(folder, episodes):
        notify(f"demos: {folder} (generated before)")
    else:
        notify(f"demos: generating {episodes} with ManiSkill's own motion planning, from seed {seed}, into {folder}")
        generate_demos(env_id, episodes=episodes, seed=seed, out_dir=folder)
    return folder


def _caches(env_id: str) -> tuple[Path, ...]:
    assets = Path(os.environ.get("MS_ASSET_DIR") or Path.home() / ".maniskill")
    return (CACHE / env_id / "motionplanning", CACHE / env_id / "hub", assets / "demos" / env_id / "motionplanning")


def _holds(folder: Path, episodes: int | None) -> bool:
    """Tell whether `folder` holds one readable demo file with enough episodes."""
    try:
        return len(DemoFile(find_h5(folder))) >= (episodes or 1)
    except DataError:
        return False
