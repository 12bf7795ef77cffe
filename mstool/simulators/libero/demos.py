"""Files of LIBERO demos, `TASK_demo.hdf5`: official ones, in robomimic's shape, and those of our expert.

Their observations are of no use: each was taken after the action beside it, 128 px and unturned. An episode begins at
its first recorded state and is executed again.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mstool.contract import Array, State
from mstool.errors import DataError
from mstool.paths import quoted
from mstool.simulators.demos import Demo, RecordedStates
from mstool.simulators.hdf5 import UNREADABLE, member, numbers, open_h5
from mstool.simulators.libero.environment import CONTROL_MODE
from mstool.simulators.libero.model_file import fixtures_of, parsed
from mstool.simulators.libero.tasks import all_tasks, find_task

SUFFIX = "_demo.hdf5"
# Ours name the seed of each demo, which gives its first state.
SEED = "mstool_seed"
# Official demos begin at states that no seed gives: their numbers count from here.
RECORDED = 1_000_000
# Below this, a step asks the arm for nothing (m and rad, of OSC_POSE's units).
STILL = 1e-4


class LiberoDemos:
    """One file, checked when it is opened.

    Raises
    ------
    DataError
        There is no such file, it is none of LIBERO's, or all of its episodes lack states or actions.

    """

    control_mode = CONTROL_MODE

    def __init__(self, path: Path, env_id: str = "") -> None:
        self.path = self.json = find_file(path, env_id)
        with self._file() as file:
            data = member(file, "data")
            if not isinstance(data, h5py.Group) or not (names := [name for name in data if name.startswith("demo_")]):
                raise DataError(f"{self.path} holds no demos: LIBERO's files have `data/demo_0`, ...")
            self._names = sorted(names, key=lambda name: int(name.removeprefix("demo_")))
            # Episodes that hold what is needed, and what the others lack.
            self._lacks = {name: lack for name in self._names if (lack := _lacks(_demo(file, name)))}
            if len(self._lacks) == len(self._names):
                name, lack = next(iter(self._lacks.items()))
                raise DataError(
                    f"{self.path}: {name} has no {lack}: an episode is executed again from its first state",
                    fix="take LIBERO's own files of demos, which hold states",
                )
            self.unlisted: list[str] = []
            self.env_kwargs: Mapping[str, Any] = {}
            self.env_id = _env_id(str(data.attrs.get("bddl_file_name", "")), self.path)

    @contextmanager
    def _file(self) -> Iterator[h5py.File]:
        try:
            with open_h5(self.path) as file:
                yield file
        except UNREADABLE as error:
            raise DataError(
                f"{self.path} cannot be read as HDF5: {error}", fix="download or generate it again"
            ) from error

    def __len__(self) -> int:
        return len(self._names)

    def problems(self, *, limit: int | None = None) -> dict[int, str]:
        """Say which episodes have no or other actions than OSC_POSE's, not one state each, or no readable model."""
        found = {}
        with self._file() as file:
            for position, name in enumerate(self._names[:limit]):
                if name in self._lacks:
                    found[position] = f"no {self._lacks[name]}"
                    continue
                demo = _demo(file, name)
                actions, states = (demo[part].shape for part in ("actions", "states"))
                if len(actions) != 2 or actions[1] != 7 or not actions[0]:
                    found[position] = f"actions of shape {actions}, not (T, 7)"
                elif len(states) != 2 or states[0] - actions[0] not in {0, 1}:  # without and with the last one
                    found[position] = f"states of shape {states} for {actions[0]} actions"
                elif (model := demo.attrs.get("model_file", "")) and parsed(model) is None:
                    found[position] = "a model_file that is no XML"
        return found

    def read(self, position: int) -> Demo:
        """Read one episode."""
        return self.read_many([position])[0]

    def read_many(self, positions: Sequence[int]) -> list[Demo]:
        """Read several episodes, opening the file once."""
        with self._file() as file:
            return [self._read(_demo(file, self._names[position]), position) for position in positions]

    def _read(self, demo: h5py.Group, position: int) -> Demo:
        actions = numbers([demo["actions"]])[0].astype(np.float32)
        ours = SEED in demo.attrs
        stat = self.path.stat()
        return Demo(
            env_id=self.env_id,
            episode_id=int(self._names[position].removeprefix("demo_")),
            seed=int(demo.attrs[SEED]) if ours else RECORDED + position,
            control_mode=CONTROL_MODE,
            actions=actions,
            first_state=None if ours else _state(demo, 0),
            seedless=not ours,
            states=f"{stat.st_size} {stat.st_mtime_ns}",
            listed_in=str(self.path),
            # Our expert means its pauses: the fingers close in them.
            idle=None if ours else idle_steps(actions),
        )

    def recorded_states(self, position: int) -> RecordedStates:
        """Read all states of one episode; every one of LIBERO's files holds solved demos only."""
        with self._file() as file:
            demo = _demo(file, self._names[position])
            return RecordedStates([_state(demo, step) for step in range(len(demo["states"]))], success=True)

    def check_replayable(self) -> None:
        """Raise DataError unless the task's states have as many numbers here."""
        here = find_task(self.env_id).initial_states().shape[1]
        whole = next(name for name in self._names if name not in self._lacks)
        with self._file() as file:
            there = _demo(file, whole)["states"].shape[1]
        if here != there:
            raise DataError(
                f"{self.path}: its states have {there} numbers, {self.env_id} has {here} here: another LIBERO wrote it",
                fix=f"mstool convert --env {self.env_id} --demos generate",
                change={"--demos": "generate"},
            )


def find_file(path: Path, env_id: str = "") -> Path:
    """Return the file, or the one in a folder: of `env_id` where it is named, else the only one."""
    if not path.is_dir():
        if not path.is_file():
            raise DataError(f"there is no {path}", fix="--demos FILE_demo.hdf5, or the folder that holds it")
        return path
    every = files = sorted(path.rglob(f"*{SUFFIX}"))
    task = all_tasks().get(env_id)
    if task is not None:
        own = [file for file in files if file.name == f"{task.name}{SUFFIX}"]
        files = [file for file in own if task.suite in file.parts] or own
    if len(files) == 1:
        return files[0]
    if next(path.rglob("*"), None) is None:
        raise DataError(f"{path} is empty")
    if not every:
        raise DataError(f"{path} holds no demos of LIBERO's: no file *{SUFFIX}")
    if files or task is None:
        what = f"demos of {env_id}" if task else "demos"
        raise DataError(f"{path} holds {len(files)} files of {what}, one is asked for", fix=f"--demos FILE{SUFFIX}")
    others = list(dict.fromkeys(_tasks_of(file) for file in every))
    said = f"{path} holds demos of {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}, not of {env_id}"
    if len(others) > 1 or others[0] not in all_tasks():
        raise DataError(said)
    raise DataError(said, fix=f"mstool convert --env {others[0]} --demos {quoted(path)}", change={"--env": others[0]})


def _tasks_of(file: Path) -> str:
    """Return the task that a file of demos is named as; its name where that is none's."""
    name = file.name.removesuffix(SUFFIX)
    own = [task for task in all_tasks().values() if task.name == name]
    return next((task.env_id for task in [*(t for t in own if t.suite in file.parts), *own]), file.name)


def idle_steps(actions: Array) -> Array:
    """Tell which of the actions (T, 7) ask for nothing: no motion, and the gripper as in the step before."""
    still = np.linalg.norm(actions[:, :6], axis=1) < STILL
    same = np.concatenate([[True], actions[1:, 6] == actions[:-1, 6]])
    return still & same


def _env_id(bddl: str, path: Path) -> str:
    """Return the task of a file by the bddl that it names, else by its own name."""
    named = Path(bddl.replace("\\", "/"))
    name = named.stem or path.name.removesuffix(SUFFIX)
    own = [task for task in all_tasks().values() if task.name == name]
    of_suite = [task for task in own if task.suite in {named.parent.name, path.parent.name}]
    if not (of_suite or own):
        raise DataError(
            f"{path} is of no task of LIBERO's: {name}", fix="name the file as one of its tasks: mstool envs"
        )
    return (of_suite or own)[0].env_id


def _demo(file: h5py.File, name: str) -> h5py.Group:
    """Return an episode; what is in it was looked at when the file was opened."""
    data = member(file, "data")
    assert data is not None
    demo = member(data, name)
    if not isinstance(demo, h5py.Group):
        raise DataError(f"{file.filename}: {name} is no episode", fix="download or generate it again")
    return demo


def _lacks(demo: h5py.Group) -> str:
    """Name the first part that an episode lacks, if any."""
    return next((part for part in ("actions", "states") if not isinstance(member(demo, part), h5py.Dataset)), "")


def _state(demo: h5py.Group, step: int) -> State:
    own = member(demo, "fixtures")
    if isinstance(own, h5py.Group):
        names = list(own)
        poses = [member(own, name) for name in names]
        fixtures = dict(zip(names, numbers([pose for pose in poses if isinstance(pose, h5py.Dataset)]), strict=True))
    else:
        fixtures = fixtures_of(demo.attrs.get("model_file", ""))
    return {"mujoco": {"state": numbers([demo["states"]], step)[0]}, "fixtures": fixtures}
