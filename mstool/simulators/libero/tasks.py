"""LIBERO's suites and tasks, read from its installed files: nothing of it is imported, which would take 8 s.

A task is called `SUITE/NUMBER`, by LIBERO's own order.
"""

import importlib.util
import re
import runpy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mstool.contract import Array
from mstool.errors import SetupError, UsageError, WrongWordError
from mstool.installation import require
from mstool.manifest import Task
from mstool.nearest import nearest
from mstool.simulators.protocol import Protocol, Published

# Steps of an episode in openpi's evaluation.
HORIZONS = {
    "libero_spatial": 220,
    "libero_object": 280,
    "libero_goal": 300,
    "libero_10": 520,
    "libero_90": 400,
}
# What openpi reports of its own checkpoint, `pi05_libero`, for the four suites that it was trained on.
_OPENPI = Published(
    policy="openpi pi05_libero",
    rates={"libero_spatial": 0.988, "libero_object": 0.982, "libero_goal": 0.98, "libero_10": 0.924},
    episodes=50,
    source="openpi, examples/libero/README.md",
)
# How others evaluate: openpi's `examples/libero/main.py`, and LeRobot 0.6.1's `envs/libero.py`, whose policies say
# themselves how much of a chunk is executed.
PROTOCOLS = {
    "openpi": Protocol("openpi", HORIZONS, replan=5, published=_OPENPI),
    "lerobot": Protocol("lerobot", {**HORIZONS, "libero_spatial": 280}),
}
# Steps in which the objects come to rest before an episode begins, and what the arm does meanwhile: both evaluations'.
SETTLING_STEPS = 10
IDLE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0)


@dataclass(frozen=True)
class LiberoTask:
    """One task of a suite."""

    suite: str
    number: int
    # LIBERO's name, that of its files.
    name: str

    @property
    def env_id(self) -> str:
        """What mstool calls it."""
        return f"{self.suite}/{self.number}"

    @property
    def sentence(self) -> str:
        """What openpi and LeRobot tell a policy: the bddl file's name; its `:language` is worded otherwise."""
        return re.sub(r"^[A-Z0-9_]*SCENE\d+_", "", self.name).replace("_", " ")

    @property
    def bddl(self) -> Path:
        """The file that describes it."""
        return package() / "bddl_files" / self.suite / f"{self.name}.bddl"

    def described(self) -> Task:
        """Return sentence and horizon."""
        return Task(self.env_id, self.sentence, HORIZONS[self.suite], in_all=False)

    def initial_states(self) -> Array:
        """Return LIBERO's initial states (N, S), float64, in its order."""
        return _states(package() / "init_files" / self.suite / f"{self.name}.pruned_init")


def package() -> Path:
    """Return the folder `libero/libero` of the installed package.

    Raises
    ------
    SetupError
        The extra is not installed.

    """
    require("LIBERO", ("libero", "robosuite", "mujoco"))
    spec = importlib.util.find_spec("libero")
    places = [Path(place) / "libero" for place in (spec.submodule_search_locations or ())] if spec else []
    found = next((place for place in places if (place / "bddl_files").is_dir()), None)
    if found is None:
        raise SetupError(
            f"another `libero` ({spec.origin if spec else ''}) is found before hf-libero's",
            fix="run elsewhere, or rename it",
        )
    return found


def all_tasks() -> dict[str, LiberoTask]:
    """Return every task by its name here, suite by suite."""
    return _tasks(package())


def suite_of(env_id: str) -> list[str]:
    """Return the tasks that a name stands for: a suite's, or the one itself.

    Raises
    ------
    UsageError
        There is no such suite or task.
    SetupError
        The extra is not installed.

    """
    tasks = all_tasks()
    if env_id in tasks:
        return [env_id]
    suite, slash, number = env_id.partition("/")
    names = [name for name, task in tasks.items() if task.suite == suite]
    if not names:
        # What all suites begin with is none of them more than another.
        all_alike = all(name.startswith(suite) for name in HORIZONS)
        meant = (None if all_alike else nearest(suite, HORIZONS)) or "libero_spatial"
        instead = f"{meant}/{number}" if f"{meant}/{number}" in tasks else f"{meant}/0" if slash else meant
        raise WrongWordError(
            f"LIBERO has no suite {suite!r}: it has {', '.join(HORIZONS)}",
            given=env_id,
            instead=instead,
            fix=f"--env {instead}",
        )
    if slash:
        raise WrongWordError(
            f"{suite} has no task {number!r}: its {len(names)} are {suite}/0 to {names[-1]}",
            given=env_id,
            instead=names[0],
            fix=f"--env {names[0]}",
        )
    return names


def find_task(env_id: str) -> LiberoTask:
    """Return one task; UsageError for a whole suite too."""
    names = suite_of(env_id)
    if names != [env_id]:
        raise UsageError(f"{env_id} is a suite of {len(names)} tasks, one is asked for", fix=f"--env {names[0]}")
    return all_tasks()[env_id]


@cache
def _tasks(root: Path) -> dict[str, LiberoTask]:
    names: dict[str, list[str]] = runpy.run_path(str(root / "benchmark" / "libero_suite_task_map.py"))[
        "libero_task_map"
    ]
    tasks = [LiberoTask(suite, number, name) for suite in HORIZONS for number, name in enumerate(names[suite])]
    return {task.env_id: task for task in tasks}


@cache
def _states(path: Path) -> Array:
    import torch

    states: Any = torch.load(path, weights_only=False)  # pickled numpy, from the installed package
    return states
