"""What is known of ManiSkill's environments without building them: a table that `benchmarks/environments.py` writes."""

import os
from dataclasses import fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mstool.json_files import load_json
from mstool.simulators.environments import EnvironmentFacts
from mstool.simulators.maniskill.demos.hub import OFFICIAL
from mstool.simulators.maniskill.solve import solvable_envs

TABLE = Path(__file__).parent / "environments.json"


def assets() -> Path:
    """Return where ManiSkill keeps what it downloads."""
    return Path(os.environ.get("MS_ASSET_DIR") or Path.home() / ".maniskill")


def known_environments() -> list[EnvironmentFacts]:
    """Return what the table holds of every registered environment, sorted by name.

    What an environment lacks is looked for on this machine: one whose files were fetched since is said to build.
    """
    planned = set(solvable_envs())
    return [_facts(row, planned) for row in _table()["environments"]]


def table_version() -> str:
    """Return the version of ManiSkill that the table was made with."""
    return str(_table()["mani_skill"])


def outdated() -> str:
    """Say that another ManiSkill is installed than the table is of; empty when it is the same."""
    try:
        installed = version("mani_skill")
    except PackageNotFoundError:
        installed = "not installed"
    made_with = table_version()
    return "" if installed == made_with else f"the table is of ManiSkill {made_with}, here it is {installed}"


def _facts(row: dict[str, Any], planned: set[str]) -> EnvironmentFacts:
    known = {field.name for field in fields(EnvironmentFacts)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name in known
    }
    values["cameras"] = tuple(row.get("cameras", {}).items())
    needs: dict[str, str] = row.get("needs", {})
    lacking = {folder: command for folder, command in needs.items() if not (assets() / folder).exists()}
    if lacking:
        values["fix"] = tuple(dict.fromkeys(lacking.values()))
    elif needs:
        values["problem"] = ""
    env_id = str(row["env_id"])
    return EnvironmentFacts(**values, demos=OFFICIAL.get(env_id, ()), planner=env_id in planned)


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = load_json(TABLE)
    return table
