"""Open a dataset the way training will. The only module that imports LeRobot's dataset reader."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.episode_table import EpisodeRow, read_episodes, read_tasks
from mstool.dataset.files import (
    INFO_NAME,
    V2_EPISODES,
    V2_EPISODES_STATS,
    V2_TASKS,
    Unavailable,
    data_file,
    needed,
    v2_place,
    video_file,
)
from mstool.dataset.info import Info
from mstool.errors import DataError
from mstool.paths import quoted


def open_dataset(root: Path, info: Info) -> dict[str, Any]:
    """Open the dataset at `root` and return {"reader", "episodes", "frames"}.

    v3.0 goes through LeRobot's own reader, which decodes the first and the last frame. LeRobot 0.6.1 refuses v2.1,
    so of that the metadata and the presence of every file are checked.

    Raises
    ------
    DataError
        LeRobot refuses the dataset, or v2.1's metadata do not fit together.

    """
    if info.is_v2:
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
                fix=f"mstool validate {quoted(root)}",
            ) from error
    return {"reader": "lerobot", "episodes": dataset.num_episodes, "frames": dataset.num_frames}


@dataclass(frozen=True)
class FrameRead:
    """What LeRobot made of one frame."""

    # None: of the dataset as a whole.
    frame: int | None
    episode: int | None = None
    # The sentence it gives to a policy; None where there is none.
    prompt: str | None = None
    # What it raised, "" where it read the frame.
    error: str = ""


def read_frames(root: Path, frames: Sequence[int]) -> Iterator[FrameRead]:
    """Read frames of a v3.0 dataset as lerobot-train does: windows of actions, statistics of ImageNet, PyAV.

    Every frame is put into a batch with the first one, which needs images of one size.
    """
    with _offline():
        try:
            from lerobot.configs.default import DatasetConfig
            from lerobot.configs.train import TrainPipelineConfig
            from lerobot.datasets.factory import make_dataset
            from lerobot.policies.act.configuration_act import ACTConfig
            from torch.utils.data import default_collate

            # The policy says how many actions a window has, and nothing is made of it.
            given = DatasetConfig(repo_id="local/dataset", root=str(root), video_backend="pyav")
            policy = ACTConfig(device="cpu", push_to_hub=False)
            dataset = make_dataset(TrainPipelineConfig(dataset=given, policy=policy))
        except Exception as error:  # noqa: BLE001  # whatever LeRobot raises is the answer
            yield FrameRead(None, error=_said(error))
            return
        first: Any = None
        for frame in frames:
            try:
                item = dataset[frame]
                first = first or item
                default_collate([first, item])
            except Exception as error:  # noqa: BLE001  # as above
                yield FrameRead(frame, error=_said(error))
            else:
                yield FrameRead(frame, int(item["episode_index"]), item.get("task"))


def _said(error: Exception) -> str:
    """Return an error's kind and its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _check_v21(root: Path, info: Info) -> dict[str, Any]:
    problems: list[str] = []
    rows: list[EpisodeRow] = []
    tasks: list[tuple[int, str]] = []
    try:
        rows = read_episodes(root, info.raw, info.videos, stats=False)
        tasks = read_tasks(root, info.codebase_version)
    except Unavailable as error:
        problems.append(str(error))
    if info.codebase_version != "v2.0" and not (root / V2_EPISODES_STATS).is_file():
        problems.append(f"{V2_EPISODES_STATS}: missing")
    total, frames = info.total_episodes, info.total_frames
    if len(rows) != total:
        problems.append(f"{V2_EPISODES}: {len(rows)} episodes, {INFO_NAME} says {total}")
    if sum(row.length for row in rows) != frames:
        problems.append(f"{V2_EPISODES}: its lengths do not add up to {INFO_NAME}'s {frames} frames")
    known = {task for _, task in tasks}
    problems += [f"{V2_TASKS}: lacks {task!r}" for row in rows for task in row.tasks if task not in known]
    for index in range(max(total, 0)):
        place = v2_place(index, info.chunks_size)
        with needed(root):
            paths = [data_file(root, info.raw, place)]
            paths += [video_file(root, info.raw, place, camera) for camera in info.videos]
        problems += [f"{path.relative_to(root)}: missing" for path in paths if not path.is_file()]
    if problems:
        raise DataError(
            f"{root} is what the server has, and its parts do not fit:\n  " + "\n  ".join(problems[:20]),
            fix=f"mstool validate {quoted(root)}",
        )
    return {"reader": "metadata", "episodes": total, "frames": frames}


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
