"""Attempts of the expert on disk: actions and states of those that solved the task."""

from pathlib import Path

import h5py
import numpy as np

from mstool.contract import Array, State
from mstool.simulators import attempt_files
from mstool.simulators.demos import Attempt
from mstool.simulators.hdf5 import open_h5
from mstool.simulators.libero.demos import SEED

_DEMO = "demo"


def write_attempt(folder: Path, attempt: Attempt, actions: list[Array], states: list[State]) -> None:
    """Write one; of a failure only that it was one. `actions` are T, `states` T+1."""

    def fill(file: h5py.File) -> None:
        demo = file.create_group(_DEMO)
        demo.attrs["num_samples"] = len(actions)
        demo.attrs[SEED] = attempt.seed
        demo["actions"] = np.stack(actions)
        demo["states"] = np.stack([state["mujoco"]["state"] for state in states])
        fixtures = demo.create_group("fixtures")
        for name, pose in states[0]["fixtures"].items():
            fixtures[name] = pose

    attempt_files.write_attempt(folder, attempt, fill)


def copy_attempt(path: Path, data: h5py.Group, name: str) -> None:
    """Copy a solved one into a file of demos."""
    with open_h5(path) as file:
        file.copy(_DEMO, data, name=name)
