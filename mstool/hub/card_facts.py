"""Facts for the card, read from the dataset's files in either format; what is not there is left out."""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mstool.contract import INDEX_COLUMNS
from mstool.dataset.episode_log import read_episode_log
from mstool.dataset.episode_table import read_tasks
from mstool.dataset.files import EPISODE_LOG_FILE, NORM_STATS_FILE, STATS_FILE, V2_TASKS, V3_TASKS, needed, read_object
from mstool.dataset.info import Info
from mstool.markup import markdown_code

_COLUMNS = ("min", "q01", "mean", "std", "q99", "max")
_ORIGINS = {"local": "files of the converting machine", "hub": "ManiSkill's own, from a hub", "generate": "generated"}
_NORM_NAMES = {"state": ("observation.state", "state"), "actions": ("action", "actions")}


@dataclass(frozen=True)
class VectorTable:
    """One vector's statistics: a name per dimension, and per column a number for each."""

    name: str
    dimensions: tuple[str, ...]
    columns: dict[str, list[float]]


@dataclass
class EpisodeOrigins:
    """Where the episodes come from: seeds per environment, and one hash over all fingerprints."""

    by_env: dict[str, list[int]] = field(default_factory=dict)
    digest: str = ""


def tasks(root: Path, info: Info) -> list[str]:
    """Return the instructions in the task table's order."""
    if not (root / (V2_TASKS if info.is_v2 else V3_TASKS)).is_file():
        return []
    with needed(root):
        return [task for _, task in sorted(read_tasks(root, info.codebase_version))]


def vectors(root: Path, info: Info) -> list[VectorTable]:
    """Return the statistics of state and actions: LeRobot's, else openpi's."""
    stats = _json(root, root / STATS_FILE)
    if not stats:
        norm = _json(root, root / NORM_STATS_FILE).get("norm_stats")
        norm = norm if isinstance(norm, dict) else {}
        stats = {
            next((n for n in names if n in info.features), key): norm[key]
            for key, names in _NORM_NAMES.items()
            if key in norm
        }
    found = []
    for name, values in stats.items():
        feature = info.features.get(name)
        if name in INDEX_COLUMNS or (feature and feature.is_camera):
            continue
        columns = _numbers(values)
        width = min((len(column) for column in columns.values()), default=0)
        names = feature.names if feature else ()
        labels = [names[i] if len(names) == width else str(i) for i in range(width)]
        if width:
            found.append(VectorTable(name, tuple(labels), columns))
    return found


def _numbers(values: object) -> dict[str, list[float]]:
    """Return those statistics of a vector that are lists of numbers; what else a file holds is left out."""
    table = values if isinstance(values, dict) else {}
    lists = {key: table[key] for key in _COLUMNS if isinstance(table.get(key), list)}
    return {key: list(map(float, each)) for key, each in lists.items() if all(isinstance(v, int | float) for v in each)}


def episode_log(root: Path) -> EpisodeOrigins:
    """Read the episode log; an empty log where there is none."""
    log = EpisodeOrigins()
    if not (root / EPISODE_LOG_FILE).is_file():
        return log
    digest = hashlib.sha256()
    with needed(root):
        lines = read_episode_log(root)
    for entry in lines:
        if isinstance(entry.get("seed"), int):
            log.by_env.setdefault(str(entry.get("env_id", "")), []).append(entry["seed"])
        digest.update(str(entry.get("fingerprint", "")).encode())
    log.digest = digest.hexdigest()
    return log


def sources(demos: Iterable[Any]) -> dict[str, str]:
    """Say where each environment's demos come from: {environment: `hub`, or `generated, local` after a merge}."""
    return _by_env(demos, lambda demo: _ORIGINS.get(str(demo.get("origin")), "unknown"))


def simulators(demos: Iterable[Any]) -> dict[str, str]:
    """Return what each environment was built with beyond its defaults; those with nothing are left out."""
    return _by_env(demos, lambda demo: markdown_code(json.dumps(demo["env_kwargs"])) if demo.get("env_kwargs") else "")


def _by_env(demos: Iterable[Any], say: Callable[[Mapping[str, Any]], str]) -> dict[str, str]:
    """Return what `say` makes of the record's demos, once per environment; a merge may name one several times."""
    said: dict[str, dict[str, None]] = {}
    for demo in demos:
        if isinstance(demo, dict) and (words := say(demo)):
            said.setdefault(str(demo.get("env_id", "")), {})[words] = None
    return {env_id: ", ".join(words) for env_id, words in said.items()}


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers as ranges: `0-3, 7, 9-10`."""
    groups: list[list[int]] = []
    for number in sorted(set(numbers)):
        if groups and number == groups[-1][1] + 1:
            groups[-1][1] = number
        else:
            groups.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in groups)


def drops(counts: Mapping[str, int]) -> str:
    """Say how many demos were dropped and why."""
    return ", ".join(f"{count} x {reason}" for reason, count in counts.items()) or "none"


def _json(root: Path, path: Path) -> dict[str, Any]:
    return read_object(path, fix=shlex.join(["mstool", "validate", str(root)])) if path.is_file() else {}
