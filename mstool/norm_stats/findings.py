"""All problems of a dataset's statistics, in the order a report shows them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mstool.dataset.columns import Block, ColumnReader
from mstool.norm_stats.configs import Mask, TrainingConfig
from mstool.norm_stats.deltas import delta_problems
from mstool.norm_stats.problems import (
    ERROR,
    WARNING,
    WRONG,
    Problem,
    StatsVector,
    gripper_problems,
    nonfinite_problems,
    range_problems,
    rounding_problems,
    size_problems,
    unit_problems,
)
from mstool.norm_stats.relation import first_nonfinite, relate
from mstool.norm_stats.summary import VectorStats


@dataclass(frozen=True)
class StatsContext:
    """What was asked for, as the checks and their advice need it."""

    readers: Sequence[ColumnReader]
    state: tuple[str, ...]
    actions: tuple[str, ...]
    config: TrainingConfig
    delta: Mask
    # The user's command line: its datasets, and its other options as far as they choose the population.
    datasets_given: str
    options: str

    def blocks(self) -> Iterator[Block]:
        """Read all datasets, one after the other."""
        for reader in self.readers:
            yield from reader.blocks()


def find_problems(
    context: StatsContext, vectors: Sequence[StatsVector], features: Sequence[Mapping[str, VectorStats]]
) -> Iterator[Problem]:
    """Run every check.

    Parameters
    ----------
    context
        What was asked for.
    vectors
        `state` and `actions`.
    features
        Per dataset, LeRobot's statistics per numeric feature; may be empty.

    """
    for vector in vectors:
        yield from _nonfinite(context, vector)
    for reader, stats in zip(context.readers, features, strict=True):
        for name, stat in stats.items():
            if name not in context.state + context.actions:
                where = f" in {reader.dataset.root}; its statistics are left as they were"
                yield from nonfinite_problems(name, reader.dataset.features[name].names, stat, where, WARNING)
    for reader, stats in zip(context.readers, features, strict=True):
        for name in dict.fromkeys(context.state + context.actions):
            if name in stats:
                yield from rounding_problems(name, reader.dataset.features[name].names, stats[name])
    for vector in vectors:
        yield from range_problems(vector)
        yield from gripper_problems(vector)
        yield from unit_problems(vector)
    yield from _deltas(context, vectors[0], vectors[1])
    lengths = [block.lengths for block in context.blocks()]
    yield from size_problems(sum(int(part.sum()) for part in lengths), sum(int((part == 1).sum()) for part in lengths))
    yield from _layout(context)


def _nonfinite(context: StatsContext, vector: StatsVector) -> Iterator[Problem]:
    if not vector.stats.nonfinite.any():
        return
    columns = context.state if vector.key == "state" else tuple(dict.fromkeys(context.actions + context.state))
    where = ""
    for reader in context.readers:
        place = first_nonfinite(reader.blocks, columns)
        if place is not None:
            where = f", first in {reader.dataset.root}: {place.feature} of episode {place.episode}, frame {place.frame}"
            break
    yield from nonfinite_problems(vector.key, vector.names, vector.stats, where, ERROR)


def _deltas(context: StatsContext, state: StatsVector, actions: StatsVector) -> Iterator[Problem]:
    # Pair only what a mask could cover: dimensions that both have; what grips stays absolute.
    dims = min(len(state.names), len(actions.names))
    if set(range(dims)) - set(actions.gripper):
        relation = relate(context.blocks, context.state, context.actions, dims)
        command = context.datasets_given + context.options
        yield from delta_problems(relation, context.delta, actions, context.config, command)


def _layout(context: StatsContext) -> Iterator[Problem]:
    layout, expected = context.readers[0].dataset.layout, context.config.layout
    # Several layouts go through LIBERO's configs: their columns are the same.
    if layout and expected and not context.config.reads(layout):
        message = f"config {context.config.name} expects the layout {expected}, the dataset has {layout}"
        fix = f"{context.datasets_given}   # without --config, which then follows the layout"
        yield Problem("NS112", WRONG, "", None, "", message, fix)
