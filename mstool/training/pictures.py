"""Whether decoded pictures are kept (see `frame_cache.py`), where, and how large."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.training import Facts
from mstool.errors import UsageError
from mstool.progress import Notify
from mstool.training.machine import free_disk, free_memory
from mstool.training.options import FinetuneOptions

_GIB = 2**30
# The part of the free memory that decoded pictures may take when nobody said so, and of the disk that backs them.
_SHARE = 0.5
# Decoding everything once pays if every picture would be decoded at least so often.
_EPOCHS = 2.0


@dataclass(frozen=True)
class Cache:
    """Where decoded pictures are kept: a folder shared by all runs beside this one, so each dataset is decoded once."""

    folder: Path
    # Those of demos that are not trained on.
    held_out: Path
    # (height, width) that the policy sees, None for the dataset's own.
    size: tuple[int, int] | None
    bytes: int

    def wrap(self, dataset: Any, *, held_out: bool = False) -> Any:
        """Return the dataset with its pictures cached."""
        from mstool.training.frame_cache import cached

        folder = self.held_out if held_out else self.folder
        return cached(dataset, folder, self.size, processes=len(os.sched_getaffinity(0)))


def choose(options: FinetuneOptions, facts: Facts, train: Any, fingerprint: str, notify: Notify) -> Cache | None:
    """Return the cache to use, None to decode at every use.

    Parameters
    ----------
    options, facts
        What was asked, and the dataset.
    train
        LeRobot's TrainPipelineConfig.
    fingerprint
        Of the dataset's content: names the cache.
    notify
        Told why there is none where one was asked for and is only unwise.

    Raises
    ------
    UsageError
        A cache was asked for and cannot be.

    """
    if options.cache_frames == "off":
        return None
    size = getattr(train.policy, "image_size", None)
    height, width = size or next(iter(facts.cameras.values()))
    needed = 3 * height * width * len(facts.cameras) * facts.frames
    obstacle = _obstacle(facts, train)
    if options.cache_frames == "memory" and obstacle:
        raise UsageError(f"--cache-frames memory: {obstacle}", fix=options.command(cache_frames="off"))
    free = free_memory()
    if options.cache_frames == "memory" and needed > free:
        notify(f"the images take {needed / _GIB:.1f} GiB, {free / _GIB:.1f} GiB of memory are free: slower")
    wise = (
        needed < _SHARE * free
        and needed < _SHARE * free_disk(options.output)
        and train.steps * train.batch_size > _EPOCHS * facts.frames
    )
    if options.cache_frames == "auto" and (obstacle or not wise):
        return None
    share = train.dataset.eval_split
    part = f"-{1 - share:g}" if share else ""
    name = f"{fingerprint[:16]}-{height}x{width}"
    frames = options.output.parent / ".frames"
    return Cache(
        frames / f"{name}{part}",
        frames / f"{name}-{share:g}-held-out",
        (int(height), int(width)) if size else None,
        needed,
    )


def _obstacle(facts: Facts, train: Any) -> str:
    if train.policy.observation_delta_indices is not None:
        return f"{train.policy.type} looks at past frames, which the cache does not give"
    kinds = {str(facts.features[key]["dtype"]) for key in facts.cameras}
    if kinds != {"video"}:
        return "the dataset stores its images as PNGs, not videos"
    if len(set(facts.cameras.values())) > 1:
        return "the cameras differ in size"
    return ""
