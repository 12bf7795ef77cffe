"""Small files of a dataset, and where its larger ones are."""

import json
from pathlib import Path
from typing import Any


class Unavailable(Exception):  # noqa: N818
    """A part of the dataset cannot be read: checks that need it are skipped for this reason."""


V3_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
V3_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
V2_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"


def read_json(path: Path) -> Any:
    """Read a JSON file; Unavailable says what is wrong with it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unavailable(f"{_short(path)}: {_why(error)}") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object per line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise Unavailable(f"{_short(path)}: {_why(error)}") from error
    if not all(isinstance(row, dict) for row in rows):
        raise Unavailable(f"{_short(path)}: a line is no JSON object")
    return rows


def data_file(root: Path, info: dict[str, Any], place: dict[str, int]) -> Path:
    """Return where an episode's rows are; `place` holds the pattern's fields."""
    default = V3_DATA if "file_index" in place else V2_DATA
    return _filled(root, str(info.get("data_path") or default), place)


def video_file(root: Path, info: dict[str, Any], place: dict[str, int], camera: str) -> Path:
    """Return where an episode's video is."""
    default = V3_VIDEO if "file_index" in place else V2_VIDEO
    return _filled(root, str(info.get("video_path") or default), {**place, "video_key": camera})


def _filled(root: Path, pattern: str, fields: dict[str, Any]) -> Path:
    try:
        return root / pattern.format(**fields)
    except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise Unavailable(f"info.json's path pattern {pattern!r} does not fit: {error!r}") from error


def _short(path: Path) -> str:
    return "/".join(path.parts[path.parts.index("meta") :]) if "meta" in path.parts else path.name


def _why(error: Exception) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0]
