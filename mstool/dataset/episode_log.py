"""The episode log: one line per episode of a dataset that mstool wrote, which says where the episode comes from."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mstool.atomic import replace_text
from mstool.contract import State
from mstool.dataset.files import EPISODE_LOG_FILE, read_jsonl
from mstool.errors import DataError


def read_episode_log(root: Path) -> list[dict[str, Any]]:
    """Read the log in episode order: `env_id`, `seed`, `source_episode`, `frames`, `fingerprint`, ... of each.

    Raises
    ------
    Unavailable
        There is none, or it is damaged.

    """
    return read_jsonl(root / EPISODE_LOG_FILE)


def first_state(line: Mapping[str, Any]) -> State | None:
    """Return the state in which an episode begins that no seed gives; None where its seed does.

    Raises
    ------
    DataError
        What the line holds is no state.

    """
    stored = line.get("first_state")
    if stored is None:
        return None
    try:
        return {
            group: {name: np.array(values, np.float64) for name, values in named.items()}
            for group, named in stored.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(
            f"{EPISODE_LOG_FILE}: the first state of {line.get('env_id')}, seed {line.get('seed')}, is malformed",
            fix="convert its demos again",
        ) from error


def write_episode_log(root: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write the log, a JSON object per line."""
    replace_text(root / EPISODE_LOG_FILE, "".join(json.dumps(line) + "\n" for line in lines))
