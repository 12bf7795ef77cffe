"""A dataset that mstool did not make, opened: its columns under the names that they get."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.episode_table import EpisodeRow, read_episodes, read_tasks
from mstool.dataset.files import INFO_FILE, STATS_FILE, needed, read_json
from mstool.dataset.formats.base import Features
from mstool.dataset.formats.rows import INDEX, WRITABLE
from mstool.dataset.info import READABLE, Info, read_info, unknown_version
from mstool.dataset.record import Record, read_record
from mstool.errors import DataError, UsageError, WrongWordError
from mstool.nearest import nearest
from mstool.paths import quoted

# What the writers say themselves, and what one version says and the other does not.
_SAID = {
    *("codebase_version", "robot_type", "total_episodes", "total_frames", "total_tasks", "total_videos"),
    *("total_chunks", "chunks_size", "fps", "splits", "data_path", "video_path", "features"),
    *("data_files_size_in_mb", "video_files_size_in_mb", "mstool"),
}


@dataclass(frozen=True)
class Source:
    """A dataset on disk, whoever made it."""

    root: Path
    info: Info
    record: Record
    # {name in the result: name here}, in the order of the description.
    columns: Mapping[str, str]
    # In the order of their indices.
    rows: Sequence[EpisodeRow]
    # {task index: sentence}.
    tasks: Mapping[int, str]
    # LeRobot's statistics of the whole; empty where there are none.
    stats: Mapping[str, Any]

    @property
    def features(self) -> Features:
        """The description's feature table, under the names of the result."""
        return {name: dict(self.info.raw["features"][old]) for name, old in self.columns.items()}

    @property
    def more(self) -> dict[str, Any]:
        """What else the description says, of which no version of LeRobot's knows."""
        return {name: value for name, value in self.info.raw.items() if name not in _SAID}

    @property
    def robot_type(self) -> str | None:
        """The robot, as it is named there."""
        return self.info.robot_type or None


def open_source(root: Path, *, drop: Sequence[str] = (), rename: Mapping[str, str] | None = None) -> Source:
    """Open a dataset.

    Parameters
    ----------
    root
        Its folder.
    drop
        Columns to leave out; those that it does not have do not matter.
    rename
        {old name: new name} of columns.

    Raises
    ------
    UsageError
        `root` is not the folder of a dataset, or two columns would get one name.
    DataError
        Its description or its tables are damaged, or a column is of a kind that cannot be written.

    """
    info = read_info(root)
    if info.codebase_version not in READABLE:
        raise unknown_version(root, info.codebase_version)
    kept = [name for name in info.features if name not in drop]
    new = [(rename or {}).get(name, name) for name in kept]
    twice = sorted({name for name in new if new.count(name) > 1})
    if twice:
        raise UsageError(f"{root} would have two columns {', '.join(twice)}", fix="--rename OLD=ANOTHER_NAME")
    columns = dict(zip(new, kept, strict=True))
    _check_kinds(root, info, columns)
    with needed(root):
        rows = sorted(read_episodes(root, info.raw, info.videos), key=lambda row: row.index)
        tasks = dict(read_tasks(root, info.codebase_version))
        stats = read_json(root / STATS_FILE) if (root / STATS_FILE).is_file() else {}
    if not rows or [row.index for row in rows] != list(range(info.total_episodes)):
        raise DataError(
            f"{root}: the episode table has {len(rows)} episodes, {INFO_FILE} says {info.total_episodes}",
            fix=f"mstool validate {quoted(root)}",
        )
    return Source(root, info, read_record(root), columns, rows, tasks, stats if isinstance(stats, dict) else {})


def _check_kinds(root: Path, info: Info, columns: Mapping[str, str]) -> None:
    missing = [name for name in INDEX if name not in columns]
    if missing:
        raise DataError(
            f"{root}: no column {', '.join(missing)}, which every dataset has",
            fix=f"mstool validate {quoted(root)}",
        )
    # They become folders.
    leading = [name for name in columns if "/" in name or "\0" in name or name in {".", ".."}]
    if leading:
        raise DataError(
            f"{root}: LeRobot takes no column of the name {leading[0][:100]!r}",
            fix=f"mstool validate {quoted(root)}",
        )
    features = info.raw["features"]
    odd = [f"{old} ({features[old]['dtype']})" for old in columns.values() if features[old]["dtype"] not in WRITABLE]
    if odd:
        raise DataError(
            f"{root}: columns of a kind that only the LeRobot that wrote them can write: {', '.join(odd)}",
            fix=without_columns(root, [word.split()[0] for word in odd]),
        )
    for old in columns.values():
        shape = features[old].get("shape")
        if not isinstance(shape, list) or not shape:
            raise DataError(f"{root}: {INFO_FILE} gives no shape of {old}", fix=f"mstool validate {quoted(root)}")


def without_columns(root: Path, columns: Sequence[str]) -> str:
    """Return the command that leaves columns out of a dataset."""
    here = root.resolve()
    words = ["mstool", "export", str(root), *(word for column in columns for word in ("--drop", column))]
    return shlex.join([*words, "--output", str(here.with_name(f"{here.name}-less"))])


def check_names(roots: Sequence[Path], drop: Sequence[str], rename: Mapping[str, str]) -> None:
    """Check that `--drop` and `--rename` name columns of some of the datasets, and none that all datasets need.

    Raises
    ------
    UsageError
        They do not.

    """
    known = list(dict.fromkeys(name for root in roots for name in read_info(root).features))
    for name in [*drop, *rename]:
        if name in INDEX:
            raise UsageError(
                f"every dataset has {name}: it stays as it is",
                fix=f"leave {name} out of the command",
                change={"--drop": [each for each in drop if each not in INDEX]}
                if name in drop
                else {"--rename": [f"{old}={new}" for old, new in rename.items() if old not in INDEX]},
            )
        if name not in known:
            meant = nearest(name, known)
            said = f"none of the datasets has a column {name!r}"
            if meant:
                raise WrongWordError(f"{said}; did you mean {meant}?", given=name, instead=meant)
            raise UsageError(f"{said}; they have {', '.join(known)}", fix=f"mstool show {quoted(roots[0])}")


def parse_renames(words: Sequence[str]) -> dict[str, str]:
    """Read `--rename OLD=NEW`, any number of times.

    Raises
    ------
    UsageError
        One has another form, or names a column twice.

    """
    found: dict[str, str] = {}
    for word in words:
        old, mark, new = word.partition("=")
        if not (old and mark and new) or old in found or "/" in new:
            raise UsageError(
                f"--rename {word!r} is not OLD=NEW, once for each column",
                fix="--rename observation.pose=observation.state",
            )
        found[old] = new
    return found
