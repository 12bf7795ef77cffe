"""Open a dataset the way training will. The only module that imports LeRobot's dataset reader."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mstool.errors import DataError


def open_dataset(root: Path, info: dict[str, Any]) -> dict[str, Any]:
    """Open the dataset at `root` and return {"reader", "episodes", "frames"}.

    v3.0 goes through LeRobot's own reader, which decodes the first and the last frame. LeRobot 0.6.1 refuses v2.1,
    so of that the metadata and the presence of every file are checked.

    Raises
    ------
    DataError
        LeRobot refuses the dataset, or v2.1's metadata do not fit together.

    """
    if str(info["codebase_version"]).startswith("v2"):
        return _check_v21(root, info)
    return _open_v30(root)


def _open_v30(root: Path) -> dict[str, Any]:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    with _offline():
        try:
            dataset = LeRobotDataset("local/dataset", root=root, video_backend="pyav")
            dataset[0]
            dataset[len(dataset) - 1]
        # Whatever LeRobot raises means one thing here: it cannot read these files.
        except Exception as error:
            raise DataError(
                f"{root} is what the server has, and LeRobot cannot open it: {type(error).__name__}: {error}",
                fix=f"mstool validate {root}",
            ) from error
    return {"reader": "lerobot", "episodes": dataset.num_episodes, "frames": dataset.num_frames}


def _check_v21(root: Path, info: dict[str, Any]) -> dict[str, Any]:
    problems: list[str] = []
    episodes = _lines(root / "meta" / "episodes.jsonl", problems)
    tasks = _lines(root / "meta" / "tasks.jsonl", problems)
    if not (root / "meta" / "episodes_stats.jsonl").is_file():
        problems.append("meta/episodes_stats.jsonl: missing")
    total, frames = int(info.get("total_episodes", -1)), int(info.get("total_frames", -1))
    if len(episodes) != total:
        problems.append(f"meta/episodes.jsonl: {len(episodes)} episodes, info.json says {total}")
    if sum(int(entry.get("length", 0)) for entry in episodes) != frames:
        problems.append(f"meta/episodes.jsonl: its lengths do not add up to info.json's {frames} frames")
    known = {entry.get("task") for entry in tasks}
    problems += [f"meta/tasks.jsonl: lacks {t!r}" for e in episodes for t in e.get("tasks", []) if t not in known]
    cameras = [name for name, feature in info["features"].items() if feature.get("dtype") == "video"]
    for index in range(max(total, 0)):
        place = {"episode_chunk": index // int(info.get("chunks_size", 1000)), "episode_index": index}
        names = [info["data_path"].format(**place)]
        names += [info["video_path"].format(video_key=camera, **place) for camera in cameras]
        problems += [f"{name}: missing" for name in names if not (root / name).is_file()]
    if problems:
        raise DataError(
            f"{root} is what the server has, and its parts do not fit:\n  " + "\n  ".join(problems[:20]),
            fix=f"mstool validate {root}",
        )
    return {"reader": "metadata", "episodes": total, "frames": frames}


def _lines(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        problems.append(f"meta/{path.name}: {error}")
        return []


@contextmanager
def _offline() -> Iterator[None]:
    """Keep LeRobot from asking a server for what it misses here: a missing file is an error, not a download."""
    from huggingface_hub import constants

    before, level = constants.HF_HUB_OFFLINE, logging.root.level
    constants.HF_HUB_OFFLINE = True
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        logging.root.setLevel(level)
