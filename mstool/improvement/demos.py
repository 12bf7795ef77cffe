"""Demos as rows of a replay: every frame's pictures through the frozen encoder, once."""

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from mstool.contract import Array
from mstool.dataset.conventions import Conventions
from mstool.dataset.fingerprint import content_hash
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.improvement.frozen_policy import FrozenPolicy
from mstool.improvement.method import Method
from mstool.improvement.replay import Replay
from mstool.improvement.rows import Episode
from mstool.progress import Progress
from mstool.training.frame_cache import CachedDataset, cached, holds_all
from mstool.training.machine import video_backend

# The most rows: longer datasets are thinned, to every second frame, every fourth, and so on.
MOST_ROWS = 100_000
# Frames that are encoded at once.
_FRAMES = 128


def demo_lines(conventions: Conventions, envs: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the log's lines of the tasks' episodes."""
    return [line for line in conventions.episodes if line.get("env_id") in envs]


def stride(frames: int, steps: int) -> int:
    """Return of how many frames one becomes a row: a divisor of `steps`, so that every window ends at a row."""
    fitting = [each for each in range(1, steps + 1) if steps % each == 0 and frames / each <= MOST_ROWS]
    return fitting[0] if fitting else steps


def solved_frames(line: Mapping[str, Any], length: int, hold_steps: int) -> Array:
    """Return after which actions a demo was solved, (T,) bool: its last one, and those that hold it there."""
    return (np.arange(length) >= length - 1 - hold_steps) & (line.get("solved") is not False)


def load_demos(
    root: Path, conventions: Conventions, envs: Sequence[str], base: LerobotPolicy, frozen: FrozenPolicy,
    method: Method, replay: Replay, frames: Path,
) -> None:  # fmt: skip
    """Add the tasks' demos to a replay.

    Parameters
    ----------
    root, conventions
        The dataset, and what it says of itself.
    envs
        The tasks.
    base, frozen
        The checkpoint, whose processors are used, and the policy that it holds.
    method
        Says what is kept beside each frame.
    replay
        Where they go.
    frames
        A folder for decoded frames, which `finetune` shares.

    """
    lines = demo_lines(conventions, envs)
    dataset = open_frames(
        root, sorted(int(line["episode_index"]) for line in lines), tuple(base.config.image_size), frames
    )
    rows = dataset.absolute_to_relative_idx
    act = method.as_began() if np.prod(replay.sizes.extra) else None
    every = stride(sum(int(line["frames"]) for line in lines), replay.sizes.steps)
    generator = torch.Generator().manual_seed(0)
    with Progress("encode", len(lines), "demo") as progress:
        for line in lines:
            entry = dataset.meta.episodes[int(line["episode_index"])]
            length = int(entry["dataset_to_index"] - entry["dataset_from_index"])
            first = int(entry["dataset_from_index"])
            first = first if rows is None else rows[first]
            hold = conventions.record.hold_steps.get(str(line["env_id"]), 0)
            kept = list(range(0, length, every))
            seen: dict[str, list[torch.Tensor]] = {"tokens": [], "mask": [], "extra": [], "actions": []}
            for items in _batches(dataset, first, first + length):
                batch = base.normalised(items)
                seen["actions"].append(batch["action"].float().cpu())
                looked = frozen.see(batch)
                if act is not None:
                    noise = torch.randn(len(looked.mask), method.base.chunk, method.base.noise, generator=generator)
                    noise = noise.to(looked.mask.device)
                    seen["extra"].append(act(looked.draw, noise, looked.tokens, looked.mask)[1].float().cpu())
                seen["tokens"].append(looked.tokens.bfloat16().cpu())
                seen["mask"].append(looked.mask.cpu())
            whole = {name: torch.cat(parts) for name, parts in seen.items() if parts}
            replay.add(
                Episode(
                    tokens=whole["tokens"][kept],
                    mask=whole["mask"][kept],
                    looks=np.array(kept),
                    actions=whole["actions"].numpy(),
                    solved=solved_frames(line, length, hold),
                    extra=whole["extra"][kept] if act is not None else None,
                )
            )
            progress.update()


def open_frames(root: Path, episodes: list[int], size: tuple[int, int], frames: Path) -> Any:
    """Open a dataset with its frames decoded: all of them where training left them, else those of `episodes` alone."""
    from lerobot.datasets import LeRobotDataset

    folder = frames / f"{content_hash(root)[:16]}-{size[0]}x{size[1]}"
    chosen = None if holds_all(folder, root) else episodes
    dataset = LeRobotDataset(
        "local/demos", root=root, episodes=chosen, return_uint8=True, video_backend=video_backend()
    )
    if set(dataset.meta.camera_keys) != set(dataset.meta.video_keys):
        return dataset
    if chosen is not None:
        folder = folder.with_name(f"{folder.name}-{zlib.crc32(str(chosen).encode()):08x}")
    return cached(dataset, folder, size, processes=len(os.sched_getaffinity(0)))


def _batches(dataset: Any, first: int, stop: int) -> Iterator[dict[str, Any]]:
    for start in range(first, stop, _FRAMES):
        numbers = range(start, min(start + _FRAMES, stop))
        gathered = isinstance(dataset, CachedDataset)
        items: dict[str, Any] = default_collate(
            dataset.__getitems__(numbers) if gathered else [dataset[number] for number in numbers]
        )
        yield {name: value for name, value in items.items() if not name.endswith("_is_pad")}
