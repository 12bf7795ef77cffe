"""`datasets_manifest.yaml`: what is known of each task by name."""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mstool.errors import DataError, UsageError
from mstool.nearest import nearest

_PACKAGED = Path(__file__).parent / "datasets_manifest.yaml"
_CHECKOUT = Path(__file__).parent.parent / "datasets_manifest.yaml"
_FORM = "a manifest is like this: tasks: {PickCube-v1: {instruction: pick up the cube, horizon: 100}}"


@dataclass(frozen=True)
class Task:
    """One environment's entry."""

    env_id: str
    # The sentence a policy is trained on.
    instruction: str
    # The most control steps an episode may take.
    horizon: int
    # View names (`mstool.simulators.maniskill.cameras`).
    cameras: tuple[str, ...] = ("base", "wrist")
    # ManiSkill's name of the goal marker that it hides from cameras, empty when there is none.
    hidden_goal: str = ""
    # Whether the task is solved without opening or closing the gripper, whose command is then the same in every frame.
    gripper_constant: bool = False
    # Whether it is taken where no environment is named: tasks of one robot, whose demos can be generated.
    in_all: bool = True
    # Where `mstool push` and `mstool pull` find the dataset: owner/name on a hub, the hub's address (empty: the
    # machine's default), and the commit that was pushed last.
    repo_id: str = ""
    endpoint: str = ""
    revision: str = ""


def load_manifest(path: Path | None = None) -> dict[str, Task]:
    """Read and check a manifest, the shipped one by default: {env_id: Task}.

    Raises
    ------
    UsageError
        There is no such file.
    DataError
        It is not YAML, or an entry has an unknown, missing or ill-typed field; all are listed.

    """
    return _load(path or (_PACKAGED if _PACKAGED.exists() else _CHECKOUT))


def all_tasks() -> list[str]:
    """Return the tasks that are taken where none is named: of one robot, so that they fit into one dataset."""
    return [env_id for env_id, task in load_manifest().items() if task.in_all]


def forget() -> None:
    """Drop what was read: a manifest was changed on disk."""
    _load.cache_clear()


def find_task(env_id: str) -> Task | None:
    """Look an environment up in the shipped manifest."""
    return load_manifest().get(env_id)


@cache
def _load(path: Path) -> dict[str, Task]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"no manifest at {path}" if isinstance(error, FileNotFoundError) else f"{path}: {error.strerror}"
        raise UsageError(what, fix="give a YAML file like datasets_manifest.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid YAML: {error}", fix=_FORM) from error
    if not isinstance(raw, dict) or not isinstance(raw.get("tasks"), dict):
        raise DataError(f"{path} must hold `tasks:` with one entry per environment", fix=_FORM)
    problems: list[str] = []
    tasks = {env_id: _task(str(env_id), entry, problems) for env_id, entry in raw["tasks"].items()}
    if problems:
        raise DataError(f"{path}:\n  " + "\n  ".join(problems), fix=f"edit {path}; {_FORM}")
    return {env_id: task for env_id, task in tasks.items() if task is not None}


def _task(env_id: str, entry: Any, problems: list[str]) -> Task | None:
    if not isinstance(entry, dict):
        problems.append(f"{env_id}: expected fields, found {entry!r}")
        return None
    known = [field.name for field in fields(Task) if field.name != "env_id"]
    before = len(problems)
    for name in entry:
        if name not in known:
            near = nearest(str(name), known)
            problems.append(f"{env_id}: unknown field {name!r}" + (f", did you mean {near!r}?" if near else ""))
    if not isinstance(entry.get("instruction"), str) or not entry["instruction"].strip():
        problems.append(f"{env_id}: instruction must be a sentence")
    if not isinstance(entry.get("horizon"), int) or entry["horizon"] <= 0:
        problems.append(f"{env_id}: horizon must be a positive number of steps")
    problems += [
        f"{env_id}: {name} must be true or false"
        for name in ("gripper_constant", "in_all")
        if not isinstance(entry.get(name, False), bool)
    ]
    where = ("repo_id", "endpoint", "revision")
    unquoted = [name for name in where if not isinstance(entry.get(name, ""), str)]
    problems += [f"{env_id}: {name} must be text, put it in quotes" for name in unquoted]
    if len(problems) > before:
        return None
    return Task(**{**entry, "env_id": env_id, "cameras": tuple(entry.get("cameras", Task.cameras))})
