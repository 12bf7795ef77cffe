"""Decoded pictures kept on the GPU too: the loader's batches come without them, and no step waits for its own.

A batch of 512 frames and two views of 128 px is 50 MB: from loader to GPU it takes 10 to 18 ms of a step of 75
(`benchmarks/results/training_step.md`). The whole dataset is some GB, which a GPU that trains a small policy has free.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from mstool.training.frame_cache import CachedDataset

# So many frames at a time go to the GPU, through memory that is not held.
_AT_ONCE = 4096


class DevicePictures:
    """Every picture of a dataset on one device, uint8 (N, 3, h, w) per camera; the dataset's items lose theirs."""

    def __init__(self, dataset: CachedDataset, device: torch.device) -> None:
        index = dataset.column("index")
        # Frames are called by their number in the whole dataset, of which this may be a part.
        self._rows = torch.full((int(index.max()) + 1,), -1, dtype=torch.long)
        self._rows[index] = torch.arange(len(index))
        self._rows = self._rows.to(device)
        self._pictures = {}
        for camera in dataset.cameras:
            frames = dataset.pictures(camera)
            kept = torch.empty(frames.shape, dtype=torch.uint8, device=device)
            for first in range(0, len(frames), _AT_ONCE):
                kept[first : first + _AT_ONCE] = torch.tensor(frames[first : first + _AT_ONCE])
            self._pictures[camera] = kept
        dataset.gives_pictures = False

    def fill(self, batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the batches with their pictures, as the dataset would have given them."""
        for batch in batches:
            rows = self._rows[batch["index"].to(self._rows.device)]
            yield {**batch, **{camera: kept[rows] for camera, kept in self._pictures.items()}}


def keep(dataset: CachedDataset, device: str, bytes_needed: int, planned: int | None) -> DevicePictures | None:
    """Keep the pictures on a GPU where they fit beside the training.

    Parameters
    ----------
    dataset
        Its items lose their pictures if they are kept.
    device
        Of the training; `cuda` is the current one.
    bytes_needed, planned
        Of the pictures, and of the training; None if that is not known.

    """
    if not device.startswith("cuda") or planned is None or torch.cuda.mem_get_info()[0] - planned < bytes_needed:
        return None
    kept = DevicePictures(dataset, torch.device("cuda", torch.cuda.current_device()))
    logging.info("the decoded images are on the GPU too, %.1f GiB", bytes_needed / 2**30)
    return kept
