"""Demos that are not trained on (`--eval-split`): whether more demos would help, or more training.

A policy that has learnt its demos by heart has a small loss on them, and a large one on others of the same task. More
steps make that worse and more demos better; where both losses are alike and high it is the other way round. Both are
taken here of as many frames, without augmentation, with the same random numbers.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from mstool.dataset.view import DatasetView
from mstool.errors import UsageError
from mstool.training.ahead import Batch, made_ready
from mstool.training.options import FinetuneOptions

# Of each task, where nobody says how much, and every task has so many episodes: at least one of each is held out.
SHARE, EPISODES = 0.02, 50
# Judged of each kind: their loss varies little beside what is looked for.
FRAMES = 256
# Measured (benchmarks/results/flow_ten_tasks.md), the loss on new demos by that on those trained on, and how many
# unseen seeds were solved: 1.4 and 98 % (LiftPegUpright, whole chunks), 2.2 and 75 % (PullCubeTool), 7.3 and 68 %
# (StackCube, 597 demos), 1.4 and 84 % (StackCube, 1,492 demos, in half of the time), 5.9 and 88 % (34 epochs of them),
# 1.3 and 86 % (PullCubeTool, 593 demos).
BY_HEART = 2.0
# Fewer at a time than a training step has, which keep nothing for a backward pass.
_AT_ONCE = 32


def choose(options: FinetuneOptions, counts: Callable[[], Mapping[str, int]]) -> float:
    """Return the share of each task's episodes that is held out; unasked of `flow`, where a few are not missed.

    Parameters
    ----------
    options
        What was asked.
    counts
        Reads how many episodes each task has, which LeRobot rounds up: `datasets/factory.py`.

    Raises
    ------
    UsageError
        Nothing of a task would be left to train on.

    """
    if options.eval_split is None:
        return SHARE if options.policy == "flow" and min(counts().values(), default=0) >= EPISODES else 0.0
    none_left = [task for task, count in counts().items() if math.ceil(count * options.eval_split) >= count]
    if none_left:
        raise UsageError(
            f"--eval-split {options.eval_split:g} leaves no demo of {none_left[0]!r} to train on: of each task the "
            "share is rounded up",
            fix=options.command(eval_split=None),
        )
    return options.eval_split


def demos_of_tasks(root: Path) -> Mapping[str, int]:
    """Return how many episodes each task has, by its sentence."""
    return {task: len(lengths) for task, lengths in _lengths(root).items()}


def held_out(root: Path, share: float) -> tuple[int, int]:
    """Return how many episodes are held out, and how many frames these have: the last of each task."""
    last = [lengths[-math.ceil(len(lengths) * share) :] for lengths in _lengths(root).values()] if share else []
    return sum(map(len, last)), sum(map(sum, last))


def _lengths(root: Path) -> Mapping[str, list[int]]:
    """Return each task's episodes, as frames; an episode's task is its first sentence, as LeRobot splits."""
    found: dict[str, list[int]] = {}
    for row in DatasetView(root).episodes:
        found.setdefault(next(iter(row.tasks), ""), []).append(row.length)
    return found


@dataclass(frozen=True)
class HeldOutDemos:
    """Frames of demos that are not trained on, and of those that are.

    Parameters
    ----------
    unseen, seen
        Map-style datasets of LeRobot's items.
    cameras
        Their pictures.
    episodes
        How many demos are held out.
    complete
        Adds to batches of `seen` what its items lack.

    """

    unseen: Any
    seen: Any
    cameras: tuple[str, ...]
    episodes: int
    complete: Callable[[Iterator[Batch]], Iterator[Batch]] = iter

    def judge(
        self, policy: Any, preprocess: Callable[[Batch], Batch], autocast: Callable[[], AbstractContextManager[Any]]
    ) -> dict[str, float]:
        """Return the mean loss on both: {"episodes", "loss", "trained_on"}.

        Nothing of a training changes: neither its random numbers nor the policy's running statistics.
        """
        losses = []
        with _untouched(policy), torch.no_grad(), autocast():
            for dataset, complete in ((self.unseen, iter), (self.seen, self.complete)):
                torch.manual_seed(0)
                total = count = 0.0
                for batch in complete(_batches(dataset)):
                    loss, _ = policy.forward(made_ready(batch, self.cameras, preprocess))
                    frames = len(batch["index"])
                    total, count = total + float(loss) * frames, count + frames
                losses.append(total / count)
        return {"episodes": self.episodes, "loss": losses[0], "trained_on": losses[1]}


def in_words(judged: dict[str, float]) -> str:
    """Return a line: what the two losses are, and what they call for."""
    losses = (
        f"loss {judged['loss']:.4g} on {judged['episodes']:.0f} demos that were not trained on, "
        f"{judged['trained_on']:.4g} on those that were"
    )
    if judged["loss"] <= BY_HEART * judged["trained_on"]:
        return losses
    return f"{losses}: learnt by heart; more demos would help (mstool demos generate), more steps would not"


def _batches(dataset: Any) -> Iterator[Batch]:
    """Yield frames from first to last, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, FRAMES).round().astype(int)).tolist()
    yield from DataLoader(Subset(dataset, chosen), batch_size=_AT_ONCE)


@contextmanager
def _untouched(policy: Any) -> Iterator[None]:
    """Evaluate inside; training and all random numbers go on afterwards as if nothing had been."""
    was = policy.training
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    policy.eval()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        policy.train(was)
