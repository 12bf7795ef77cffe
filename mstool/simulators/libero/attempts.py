"""Attempts of the expert on disk, one file each, complete or absent."""

from pathlib import Path
from uuid import uuid4

import h5py
import numpy as np

from mstool.contract import Array, State
from mstool.errors import DataError
from mstool.simulators.demos import Attempt
from mstool.simulators.hdf5 import UNREADABLE, open_h5
from mstool.simulators.libero.demos import SEED

_DEMO = "demo"


def attempt_file(folder: Path, seed: int) -> Path:
    """Return where the attempt at a seed is."""
    return folder / f"seed_{seed}.hdf5"


def write_attempt(folder: Path, attempt: Attempt, actions: list[Array], states: list[State]) -> None:
    """Write one; of a failure only that it was one. `actions` are T, `states` T+1."""
    aside = folder / f".{uuid4().hex}"
    try:
        with h5py.File(aside, "w") as file:
            file.attrs["failure"] = attempt.failure
            file.attrs["steps"] = attempt.steps
            file.attrs["seed"] = attempt.seed
            if attempt.success:
                demo = file.create_group(_DEMO)
                demo.attrs["num_samples"] = len(actions)
                demo.attrs[SEED] = attempt.seed
                demo["actions"] = np.stack(actions)
                demo["states"] = np.stack([state["mujoco"]["state"] for state in states])
                fixtures = demo.create_group("fixtures")
                for name, pose in states[0]["fixtures"].items():
                    fixtures[name] = pose
        aside.replace(attempt_file(folder, attempt.seed))
    finally:
        aside.unlink(missing_ok=True)


def read_attempt(path: Path) -> Attempt | None:
    """Return how one ended; None where the file is damaged."""
    try:
        with open_h5(path) as file:
            seed, steps, failure = (file.attrs[name] for name in ("seed", "steps", "failure"))
            return Attempt(int(seed), success=not failure, steps=int(steps), failure=str(failure))
    except (*UNREADABLE, DataError):
        return None


def copy_attempt(path: Path, data: h5py.Group, name: str) -> None:
    """Copy a solved one into a file of demos."""
    with open_h5(path) as file:
        file.copy(_DEMO, data, name=name)
