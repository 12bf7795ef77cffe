"""The episode log: one line per episode of a dataset that mstool wrote, which says where the episode comes from."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mstool.atomic import replace_text
from mstool.dataset.files import EPISODE_LOG_FILE, read_jsonl


def read_episode_log(root: Path) -> list[dict[str, Any]]:
    """Read the log in episode order: `env_id`, `seed`, `source_episode`, `frames`, `fingerprint`, ... of each.

    Raises
    ------
    Unavailable
        There is none, or it is damaged.

    """
    return read_jsonl(root / EPISODE_LOG_FILE)


def write_episode_log(root: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write the log, a JSON object per line."""
    replace_text(root / EPISODE_LOG_FILE, "".join(json.dumps(line) + "\n" for line in lines))
