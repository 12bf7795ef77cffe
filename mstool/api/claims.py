"""What a person says of a dataset, in words of `describe` or in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import yaml

from mstool.contract import Goal
from mstool.errors import DataError, UsageError
from mstool.nearest import nearest, unknown
from mstool.validators.claimed_record import ALL, Claims, Simulated

_GIVEN = ("layout", "control_mode", "env", "robot", "views", "goal")


@dataclass(frozen=True)
class Said:
    """The words, none of them checked."""

    layout: str
    control_mode: str | None = None
    # {sentence: environment}; `ALL` for every sentence.
    env: Mapping[str, str] = field(default_factory=dict)
    robot: str | None = None
    # {camera column: view}.
    views: Mapping[str, str] = field(default_factory=dict)
    goal: str = "visible"


def from_words(
    layout: str, control_mode: str | None, envs: Sequence[str], robot: str | None, views: Sequence[str], goal: str
) -> Said:
    """Read the options: `--env ENV`, or `--env SENTENCE=ENV` for each; `--view COLUMN=VIEW`."""
    named = [word.rpartition("=") for word in envs]
    if len(envs) > 1 and not all(sentence for sentence, _, _ in named):
        raise UsageError(
            "several environments: which episodes are of which?", fix='--env "SENTENCE=ENV", once for each sentence'
        )
    pairs = [word.partition("=") for word in views]
    for column, _, view in pairs:
        if not column or not view:
            raise UsageError("--view is COLUMN=VIEW", fix="--view observation.images.front=base")
    table = {column: view for column, _, view in pairs}
    return Said(layout, control_mode, {sentence: env for sentence, _, env in named}, robot, table, goal)


def from_file(path: Path) -> Said:
    """Read a YAML file of the same.

    Raises
    ------
    UsageError
        There is no such file.
    DataError
        It is no YAML, or says something else; all that is wrong is listed.

    """
    fix = f"it holds {', '.join(_GIVEN)}: mstool describe --help shows one"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", fix="give --claims a YAML file") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DataError(f"{path} is not valid YAML: {str(error).splitlines()[0]}", fix=fix) from error
    if not isinstance(found, dict) or not isinstance(found.get("layout"), str):
        raise DataError(f"{path} does not say `layout: NAME`", fix=fix)
    wrong = [_unknown(str(name)) for name in found if name not in _GIVEN]
    env = found.get("env")
    found["env"] = {} if env is None else {ALL: env} if isinstance(env, str) else env
    found["views"] = found.get("views") or {}
    wrong += [f"{name} must be text" for name in ("control_mode", "robot", "goal") if not _text(found.get(name, ""))]
    wrong += [f"{name} must be a table of text" for name in ("env", "views") if not _table(found[name])]
    if wrong:
        raise DataError(f"{path}: {'; '.join(wrong)}", fix=fix)
    return Said(**found)


def checked(said: Said) -> Claims:
    """Check the words against what there is; of layout `native`, ask the simulator for the robot.

    Raises
    ------
    UsageError
        A word is unknown.
    MstoolError
        The environment cannot be built.

    """
    if said.goal not in get_args(Goal):
        raise unknown("goal", said.goal, get_args(Goal), "--goal")
    from mstool.layouts import get_layout
    from mstool.simulators.benchmarks import benchmark_of

    for env_id in said.env.values():
        benchmark_of(env_id).check_env_id(env_id)
    simulated = None
    if get_layout(said.layout).robot is None and said.env and said.control_mode:
        simulated = _simulated(next(iter(said.env.values())), said.control_mode, said.robot)
    return Claims(said.layout, said.control_mode, said.env, said.robot, said.views, cast("Goal", said.goal), simulated)


def _simulated(env_id: str, control_mode: str, robot: str | None) -> Simulated:
    from mstool.simulators.base import SimulatorSpec
    from mstool.simulators.benchmarks import build_simulator

    simulator = build_simulator(SimulatorSpec(env_id, control_mode, robot))
    try:
        return Simulated(simulator.robot, simulator.robot_facts(), simulator.controller_facts())
    finally:
        simulator.close()


def _unknown(name: str) -> str:
    near = nearest(name, _GIVEN)
    return f"unknown entry {name!r}" + (f", did you mean {near!r}?" if near else "")


def _text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(word, str) for pair in value.items() for word in pair)
