"""What a dataset or a policy trained on it means: kept beside every checkpoint, so that evaluation needs nothing else.

A dataset holds its conventions in its record and in its episode log; a checkpoint holds a copy of both in
one file, `mstool_conventions.json`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.atomic import replace_text
from mstool.contract import State
from mstool.dataset.episode_log import first_state, read_episode_log
from mstool.dataset.files import CONVENTIONS_FILE, EPISODE_LOG_FILE, RECORD_FILE, needed, read_object
from mstool.dataset.info import read_info
from mstool.dataset.record import Record, lack_of_record, read_record
from mstool.errors import DataError, UsageError
from mstool.paths import quoted

# The record's name in that file.
_RECORD = "mstool"
# What that file must hold.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "dataset": str,
    "fps": (int, float),
    "features": dict,
    _RECORD: dict,
    "episodes": list,
}
_ANOTHER = "mstool finetune writes it beside every checkpoint: take another one"
# Entries of the record without which no environment can be built as the dataset's was.
_ESSENTIAL = ("layout", "control_mode", "controller", "views", "image_size")


@dataclass(frozen=True)
class Conventions:
    """Everything that evaluation must know of the data a policy was trained on."""

    # The dataset's folder name.
    dataset: str
    # Control frequency, Hz.
    fps: int
    # The description's `features`, as they stand there.
    features: Mapping[str, Any]
    # Layout, control mode, controller, robot, views, image size, goal, horizon, ...
    record: Record
    # One entry per training episode, as the episode log has it: env_id, seed, ...
    episodes: Sequence[Mapping[str, Any]]

    def seeds(self, env_id: str) -> frozenset[int]:
        """Return the seeds of an environment's training episodes."""
        return frozenset(int(line["seed"]) for line in self.episodes if line.get("env_id") == env_id and "seed" in line)

    def first_state(self, env_id: str, seed: int) -> State | None:
        """Return where an episode begins that no seed gives, as `first_state` of its line does."""
        lines = [line for line in self.episodes if (line.get("env_id"), line.get("seed")) == (env_id, seed)]
        return first_state(lines[-1]) if lines else None

    @property
    def env_ids(self) -> tuple[str, ...]:
        """The environments trained on, in the order of their first episode."""
        return tuple(dict.fromkeys(str(line["env_id"]) for line in self.episodes if "env_id" in line))

    def need_seeds(self) -> None:
        """Raise UsageError unless the episodes can be played again: their seeds are known."""
        if not all("seed" in line for line in self.episodes):
            raise UsageError(
                f"{self.dataset} was described, not converted: nothing says which seeds its episodes began at, so they "
                "cannot be played again",
                fix="evaluate a policy in its environments instead: mstool eval --policy CHECKPOINT",
            )


def load_conventions(path: Path) -> Conventions:
    """Read the conventions of a dataset's root or of a checkpoint's folder.

    Raises
    ------
    UsageError
        The folder is neither.
    DataError
        The dataset was not made by `mstool convert`.

    """
    beside = path / CONVENTIONS_FILE
    if beside.is_file():
        stored = read_object(beside, fix=_ANOTHER)
        wrong = [name for name, kind in _KINDS.items() if not isinstance(stored.get(name), kind)]
        if wrong:
            raise DataError(f"{beside}: {', '.join(wrong)} missing or malformed", fix=_ANOTHER)
        return Conventions(
            record=Record.from_json(stored[_RECORD]), **{name: stored[name] for name in _KINDS if name != _RECORD}
        )
    info = read_info(path)
    record = read_record(path)
    if not record or not (path / EPISODE_LOG_FILE).is_file():
        missing = f"no {EPISODE_LOG_FILE}" if record else lack_of_record(path)
        raise DataError(
            f"{path} does not say what its numbers mean: {missing}: it was not made by mstool convert, or another "
            "tool has rewritten it since (of one made elsewhere, say it: --layout LAYOUT --env ENV, without --from)",
            fix=f"mstool describe {quoted(path)} --from ORIGINAL",
        )
    wrong = [name for name in _ESSENTIAL if not getattr(record, name)]
    if wrong:
        raise DataError(
            f"{path / RECORD_FILE}: {', '.join(wrong)} missing or malformed",
            fix=f"mstool describe {quoted(path)} --from ORIGINAL --overwrite",
        )
    with needed(path):
        episodes = read_episode_log(path)
    return Conventions(
        dataset=path.resolve().name,
        fps=int(info.fps),
        features=info.raw["features"],
        record=record,
        episodes=episodes,
    )


def save_conventions(conventions: Conventions, folder: Path) -> None:
    """Write `mstool_conventions.json` into a checkpoint's folder."""
    entries = {name: getattr(conventions, name) for name in Conventions.__dataclass_fields__}
    stored = {_RECORD if name == "record" else name: value for name, value in entries.items()}
    stored[_RECORD] = conventions.record.to_json()
    # Where each began is of use to whoever plays it again, from the dataset.
    stored["episodes"] = [
        {name: value for name, value in line.items() if name != "first_state"} for line in conventions.episodes
    ]
    replace_text(folder / CONVENTIONS_FILE, json.dumps(stored, indent=1))
