"""The next batch made ready while a step computes: a step then waits for the GPU alone.

LeRobot's loop takes a batch from the loader, puts it through the policy's preprocessor and computes, one after the
other. The loader's processes work ahead; what is left of the way (pictures, normalisation, word ids, launching all of
it) is Python, 3 to 18 ms of a step of 70 on a GPU, which waits meanwhile (`benchmarks/results/training_step.md`).
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

type Batch = dict[str, Any]

# Nothing else may use the GPU while the second step's passes are recorded (`flow/graphs.py`).
FIRST = 3


class Ready(dict[str, Any]):
    """A batch that the preprocessor has seen."""


class Preprocessor:
    """A policy's preprocessor that lets pass what was made ready; everything else of it is the original's."""

    def __init__(self, pipeline: Callable[[Batch], Batch]) -> None:
        self._pipeline = pipeline

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch as the policy takes it."""
        return batch if isinstance(batch, Ready) else self._pipeline(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)


def ahead(batches: Iterable[Batch], cameras: Iterable[str], preprocess: Callable[[Batch], Batch]) -> Iterator[Batch]:
    """Yield batches in their order, from the third on each made ready by a thread while the one before is used.

    Parameters
    ----------
    batches
        Without end, as LeRobot's `cycle` gives them.
    cameras
        Their pictures, (B, 3, H, W), where they are uint8, become float32 in [0, 1], as in LeRobot's loop.
    preprocess
        The policy's.

    """
    source, cameras = iter(batches), tuple(cameras)

    def make() -> Batch:
        return made_ready(next(source), cameras, preprocess)

    for _ in range(FIRST - 1):
        yield make()
    with ThreadPoolExecutor(1, "next batch") as thread:
        coming = thread.submit(make)
        while True:
            batch = coming.result()
            coming = thread.submit(make)
            yield batch


def made_ready(batch: Batch, cameras: Iterable[str], preprocess: Callable[[Batch], Batch]) -> Batch:
    """Return a loader's batch as the policy takes it."""
    pictures = {name: batch[name].float() / 255 for name in cameras if _is_uint8(batch.get(name))}
    return Ready(preprocess({**batch, **pictures}))


def _is_uint8(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.uint8
