"""From dataset folders to exact statistics and what is wrong with them."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.columns import Block, ColumnReader
from mstool.dataset.description import Dataset, open_dataset
from mstool.errors import UsageError
from mstool.norm_stats.configs import Mask, TrainingConfig, find_config, format_mask, parse_mask
from mstool.norm_stats.deviation import FileCheck
from mstool.norm_stats.findings import StatsContext, find_problems
from mstool.norm_stats.problems import ERROR, WRONG, Problem, StatsVector
from mstool.norm_stats.schema import Columns, check_alike, check_mask, choose_columns, choose_config, gripper_dims
from mstool.norm_stats.shape import measure
from mstool.norm_stats.streams import ActionStream, FrameStream, StateStream
from mstool.norm_stats.summary import Stream, Sweep, VectorStats, summarise
from mstool.progress import Progress

# Longer than any model's window; past this a horizon is a typing error.
_LONGEST = 1000


@dataclass(frozen=True)
class StatsResult:
    """Exact statistics of one or several pooled datasets, as one training config sees them."""

    datasets: tuple[Dataset, ...]
    config: TrainingConfig
    horizon: int
    delta: Mask
    state: StatsVector
    actions: StatsVector
    # LeRobot's statistics: per dataset, per numeric feature, over its own frames. Empty where not asked for.
    features: tuple[Mapping[str, VectorStats], ...]
    problems: tuple[Problem, ...]
    written: tuple[Path, ...] = ()
    # What was found of a file that was compared.
    check: FileCheck | None = None

    @property
    def ok(self) -> bool:
        """Whether the statistics can be used: no problem is an error."""
        return not any(problem.severity == ERROR for problem in self.problems)

    @property
    def wrong(self) -> tuple[Problem, ...]:
        """What makes them wrong for this data: what was asked for contradicts it."""
        return tuple(problem for problem in self.problems if problem.severity == WRONG)

    @property
    def provenance(self) -> dict[str, object]:
        """What the numbers are about, for files and reports."""
        first = self.datasets[0]
        return {
            "config": self.config.name,
            "horizon": self.horizon,
            "delta": format_mask(self.delta),
            "datasets": [dataset.name for dataset in self.datasets],
            "episodes": sum(dataset.episodes for dataset in self.datasets),
            "frames": sum(dataset.frames for dataset in self.datasets),
            "state": list(choose_columns(first, self.config.state).features),
            "actions": list(choose_columns(first, self.config.actions).features),
            "quantiles": "exact, numpy.quantile linear",
        }


def compute(
    roots: Sequence[Path],
    *,
    config: str | None = None,
    horizon: int | None = None,
    delta: str | None = None,
    features: bool = True,
) -> StatsResult:
    """Compute exact statistics of datasets, pooled; nothing is written.

    Parameters
    ----------
    roots
        Folders of LeRobot v2.1 or v3.0 datasets.
    config
        openpi training config; by default the one the dataset's layout is made for.
    horizon
        Actions per window; by default the config's.
    delta
        Delta mask such as "6,-1", or "none"; by default the config's.
    features
        Also compute LeRobot's per-frame statistics of every numeric feature.

    Raises
    ------
    UsageError
        A folder does not exist, or an option is none of its possible values.
    DataError
        A dataset is damaged, lacks a column, or differs from the others.

    """
    if not roots:
        raise UsageError("no dataset given", fix="mstool stats DATASET", change={"DATASET": "DATASET"})
    given = None if delta is None else parse_mask(delta)
    named = None if config is None else find_config(config)
    if horizon is not None and not 1 <= horizon <= _LONGEST:
        raise UsageError(
            f"--horizon {horizon} is not within 1..{_LONGEST}", fix="leave --horizon out", change={"--horizon": None}
        )
    datasets = tuple(open_dataset(root) for root in roots)
    chosen = named or choose_config(datasets[0])
    check_alike(datasets, chosen)
    state, actions = choose_columns(datasets[0], chosen.state), choose_columns(datasets[0], chosen.actions)
    mask = chosen.delta if given is None else given
    check_mask(mask, state, actions)
    window = chosen.horizon if horizon is None else horizon

    model = tuple(dict.fromkeys(state.features + actions.features))
    readers = [ColumnReader(dataset, tuple(dataset.features) if features else model) for dataset in datasets]
    with Progress("statistics", None, "frame") as progress:
        pooled = _sweep(readers, progress)
        vectors = _vectors(pooled, state, actions, window, mask, gripper_dims(actions, chosen))
        each = tuple(_feature_stats(reader, progress) if features else {} for reader in readers)
        context = StatsContext(
            readers=readers,
            state=state.features,
            actions=actions.features,
            config=chosen,
            delta=mask,
            datasets_given=shlex.join(["mstool", "stats", *map(str, roots)]),
            options=_options(config, horizon),
        )
        problems = tuple(find_problems(context, vectors, each))
    return StatsResult(datasets, chosen, window, mask, *vectors, each, problems)


def feature_stats(root: Path) -> tuple[Dataset, Mapping[str, VectorStats]]:
    """Compute exact statistics of every numeric feature of a dataset, whether it has a state and actions or not.

    Raises
    ------
    DataError
        It is damaged.

    """
    dataset = open_dataset(root)
    with Progress("statistics", None, "frame") as progress:
        return dataset, _feature_stats(ColumnReader(dataset, tuple(dataset.features)), progress)


def _vectors(
    sweep: Sweep, state: Columns, actions: Columns, horizon: int, mask: Mask, gripper: tuple[int, ...]
) -> tuple[StatsVector, StatsVector]:
    streams: list[Stream] = [
        StateStream(state.features, state.dims),
        ActionStream(actions.features, state.features, actions.dims, horizon, mask),
    ]
    stats = summarise(sweep, streams)
    shapes = measure(sweep, streams, stats)
    return (
        StatsVector("state", state.names, state.units, stats[0], shapes[0], ()),
        StatsVector("actions", actions.names, actions.units, stats[1], shapes[1], gripper),
    )


def _feature_stats(reader: ColumnReader, progress: Progress) -> dict[str, VectorStats]:
    parts = [FrameStream(part.name, part.dims, part.width) for part in reader.features.values()]
    return dict(zip(reader.features, summarise(_sweep([reader], progress), parts), strict=True))


def _sweep(readers: Sequence[ColumnReader], progress: Progress) -> Sweep:
    def blocks() -> Iterator[Block]:
        for reader in readers:
            for block in reader.blocks():
                yield block
                progress.update(int(block.lengths.sum()))

    return blocks


def _options(config: str | None, horizon: int | None) -> str:
    return (f" --config {config}" if config else "") + (f" --horizon {horizon}" if horizon else "")
