"""Where the files of a dataset are, LeRobot's of both versions and ours, and how the small ones are read.

Nothing heavy is imported: the command line's help names these files too.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any

from mstool.dataset.links import links_outside
from mstool.dataset.unreadable import placeholder
from mstool.errors import DataError
from mstool.json_files import load_json, load_json_lines
from mstool.paths import quoted

# LeRobot's, in both versions. `INFO_NAME` is for messages.
INFO_NAME = "info.json"
INFO_FILE = f"meta/{INFO_NAME}"
STATS_FILE = "meta/stats.json"
DATA_FOLDER = "data"
# LeRobot v3.0.
V3_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
V3_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
V3_EPISODES_FOLDER = "meta/episodes"
V3_EPISODES = V3_EPISODES_FOLDER + "/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
V3_TASKS = "meta/tasks.parquet"
# LeRobot v2.1.
V2_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
V2_EPISODES = "meta/episodes.jsonl"
V2_EPISODES_STATS = "meta/episodes_stats.jsonl"
V2_TASKS = "meta/tasks.jsonl"
# openpi's statistics.
NORM_STATS_FILE = "norm_stats.json"
# Ours: what the numbers mean; where each episode comes from, one line each; what image statistics are made of, per view
# (E, 3, 256); what `validate` found, which `push` demands.
RECORD_FILE = "meta/mstool/record.json"
EPISODE_LOG_FILE = "meta/mstool/episodes.jsonl"
HISTOGRAMS_FILE = "meta/mstool/image_histograms.npz"
VALIDATION_FILE = "meta/mstool/validation.json"
# Which datasets, made elsewhere, a dataset was carried over from.
SOURCES_FILE = "meta/mstool/sources.json"
# What a hub shows of a dataset.
CARD_FILE = "README.md"
CONTACT_SHEET_FILE = "meta/mstool/contact_sheet.jpg"
# Beside a checkpoint: the record and the episode log of what it was trained on.
CONVENTIONS_FILE = "mstool_conventions.json"
# What an evaluation found, in a folder of its own and in a policy that is handed on.
RESULTS_FILE = "results.json"
# Beside a checkpoint that `mstool improve` steers: what chooses its noise (`mstool.training.steering`).
STEERING_FILE = "steering.safetensors"


# All of LeRobot's below `meta/`, in any version; what else lies there is the user's.
LEROBOT_META = (INFO_FILE, STATS_FILE, V3_TASKS, V2_EPISODES, V2_EPISODES_STATS, V2_TASKS)

# A damaged statistics file is put aside, not written over: nothing of it can be kept, and it may be mended or fetched.
_STATS_ANEW = f"mv DATASET/{STATS_FILE} DATASET/{STATS_FILE}.damaged && mstool stats DATASET"

# How a field of a path pattern may be written: `03d`.
_WIDTH = re.compile(r"(0?\d)?d?")


class Unavailable(Exception):  # noqa: N818
    """A part of the dataset cannot be read: checks that need it are skipped for this reason."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        # What to do, where that is known; DATASET stands for the dataset's folder.
        self.fix = fix


@contextmanager
def needed(root: Path) -> Iterator[None]:
    """Within it, what cannot be read is an error of the dataset at `root`: for those who cannot do without.

    Raises
    ------
    DataError
        Instead of Unavailable.

    """
    try:
        yield
    except Unavailable as error:
        fix = filled_fix(error.fix, root) or shlex.join(["mstool", "validate", str(root)])
        raise DataError(f"{root}: {error}", fix=fix) from error


def filled_fix(fix: str, root: Path) -> str:
    """Put a dataset's own folder into an advice, in place of the word DATASET."""
    return fix.replace("DATASET", quoted(root))


def read_json(path: Path, *, fix: str = "") -> Any:
    """Read a JSON file; Unavailable says what is wrong with it, and `fix` what to do where it is damaged."""
    try:
        return load_json(path)
    except (OSError, ValueError) as error:
        raise _unavailable(path, error, fix) from error


def read_stats(root: Path) -> dict[str, Any]:
    """Read LeRobot's statistics of a v3.0 dataset; Unavailable says how new ones take a damaged file's place."""
    stats = read_json(root / STATS_FILE, fix=_STATS_ANEW)
    if not isinstance(stats, dict):
        raise Unavailable(f"{STATS_FILE}: not a JSON object", _STATS_ANEW)
    return stats


def read_object(path: Path, *, fix: str) -> dict[str, Any]:
    """Read a file of one JSON object, for those who cannot do without it.

    Raises
    ------
    DataError
        It is not there, damaged, or something else; `fix` is what to do then.

    """
    try:
        data = load_json(path)
    except (OSError, ValueError) as error:
        if found := placeholder(path):
            raise DataError(f"{path} is {found.what}", fix=filled_fix(found.fix, path.parent)) from error
        raise DataError(f"{path} cannot be read: {_why(error)}", fix=fix) from error
    if not isinstance(data, dict):
        raise DataError(f"{path} is not a JSON object", fix=fix)
    return data


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object per line."""
    try:
        rows = load_json_lines(path)
    except (OSError, ValueError) as error:
        raise _unavailable(path, error) from error
    if not all(isinstance(row, dict) for row in rows):
        raise Unavailable(f"{_short(path)}: a line is not a JSON object")
    return rows


def v2_place(episode: int, chunks_size: int) -> dict[str, int]:
    """Return the fields of v2.1's patterns: there the number of an episode alone says where its files are."""
    return {"episode_index": episode, "episode_chunk": episode // chunks_size}


def data_file(root: Path, info: Mapping[str, Any], place: Mapping[str, int]) -> Path:
    """Return where an episode's rows are; `place` holds the pattern's fields."""
    default = V3_DATA if "file_index" in place else V2_DATA
    return _filled(root, str(info.get("data_path") or default), place)


def video_file(root: Path, info: Mapping[str, Any], place: Mapping[str, int], camera: str) -> Path:
    """Return where an episode's video is."""
    default = V3_VIDEO if "file_index" in place else V2_VIDEO
    return _filled(root, str(info.get("video_path") or default), {**place, "video_key": camera})


def path_of(pattern: str, info: Mapping[str, Any]) -> str:
    """Return what a description's `data_path` or `video_path` gives for the first file; Unavailable where none fits."""
    v2 = str(info.get("codebase_version")).startswith("v2")
    place = v2_place(0, 1) if v2 else {"chunk_index": 0, "file_index": 0}
    here = Path()
    path = data_file(here, info, place) if pattern == "data_path" else video_file(here, info, place, "camera")
    return path.as_posix()


def other_meta_files(root: Path) -> list[Path]:
    """Return the files below `meta/` that are neither LeRobot's nor ours, nor links that lead out of the dataset."""
    outside = set(links_outside(root))
    own = (V3_EPISODES_FOLDER, PurePosixPath(RECORD_FILE).parent.as_posix())
    return [
        path
        for path in sorted((root / PurePosixPath(INFO_FILE).parent).rglob("*"))
        if path.is_file()
        and path not in outside
        and (name := path.relative_to(root).as_posix()) not in LEROBOT_META
        and not name.startswith(tuple(f"{folder}/" for folder in own))
    ]


def _filled(root: Path, pattern: str, fields: Mapping[str, Any]) -> Path:
    # `{x.attribute}` and `{x[0]}` reach into objects, and `{x:09999999999}` fills the memory.
    try:
        used = [
            (name, form, conversion) for _, name, form, conversion in Formatter().parse(pattern) if name is not None
        ]
        known = all(name in fields and not how and _WIDTH.fullmatch(form or "") for name, form, how in used)
        filled = pattern.format(**fields) if known else None
    except (KeyError, ValueError, IndexError) as error:
        raise Unavailable(f"{INFO_NAME}'s path pattern {pattern[:100]!r} does not fit: {error}") from error
    if filled is None:
        fitting = ", ".join(fields)
        raise Unavailable(f"{INFO_NAME}'s path pattern {pattern[:100]!r} does not fit: its fields can be {fitting}")
    return inside(root, filled)


def inside(root: Path, name: str) -> Path:
    """Return the file that a dataset calls `name`.

    Raises
    ------
    Unavailable
        It would lie outside the dataset's folder. A link within it is the user's own, and is followed.

    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise Unavailable(f"the path {name[:100]!r} leads out of the dataset")
    return root / name


def _unavailable(path: Path, error: Exception, fix: str = "") -> Unavailable:
    if found := placeholder(path):
        return Unavailable(f"{_short(path)}: {found.what}", found.fix)
    return Unavailable(f"{_short(path)}: {_why(error)}", fix if isinstance(error, ValueError) else "")


def _short(path: Path) -> str:
    return "/".join(path.parts[path.parts.index("meta") :]) if "meta" in path.parts else path.name


def _why(error: Exception) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0]
