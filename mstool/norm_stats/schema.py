"""Which columns a training config reads, what their dimensions are called, and whether datasets can be pooled."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mstool.dataset.description import Dataset
from mstool.errors import DataError, UsageError
from mstool.norm_stats.configs import Mask, TrainingConfig, default_config, format_mask


@dataclass(frozen=True)
class Columns:
    """The columns that make up `state` or `actions`, put one after the other."""

    features: tuple[str, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]

    @property
    def dims(self) -> int:
        """Dimensions of all columns together."""
        return len(self.names)


def choose_config(dataset: Dataset) -> TrainingConfig:
    """Choose the config a dataset was most likely made for."""
    actions = next((dataset.features[name].dims for name in ("actions", "action") if name in dataset.features), 0)
    return default_config(dataset.layout, tuple(dataset.features), actions)


def choose_columns(dataset: Dataset, alternatives: Iterable[tuple[str, ...]]) -> Columns:
    """Take the first alternative the dataset has all columns of.

    Raises
    ------
    DataError
        It has none of them.

    """
    tried = list(alternatives)
    for names in tried:
        if all(name in dataset.features for name in names):
            return _columns(dataset, names)
    wanted = " or ".join(" + ".join(names) for names in tried)
    raise DataError(
        f"{dataset.root}: no column {wanted}; numeric columns are {', '.join(dataset.features) or 'none'}",
        fix="choose a config that fits with --config, or rename the columns: "
        + shlex.join(["mstool", "export", str(dataset.root), "--rename", f"OLD={tried[0][0]}", "--output"])
        + " OUTPUT",
    )


def _columns(dataset: Dataset, names: tuple[str, ...]) -> Columns:
    labels: list[str] = []
    for part in (dataset.features[name] for name in names):
        unnamed = part.names == tuple(map(str, range(part.dims)))
        if unnamed and part.dims == 1:
            labels.append(part.name)
        elif unnamed and len(names) > 1:
            labels += [f"{part.name}.{dim}" for dim in part.names]
        else:
            labels += part.names
    return Columns(names, tuple(labels), tuple(unit for name in names for unit in dataset.features[name].units))


def gripper_dims(actions: Columns, config: TrainingConfig) -> tuple[int, ...]:
    """Tell which action dimensions are a gripper: those named so, else the config's if it is the last one."""
    named = tuple(dim for dim, label in enumerate(actions.names) if "gripper" in label.lower())
    return named or tuple(dim for dim in config.gripper if dim == actions.dims - 1)


def check_mask(mask: Mask, state: Columns, actions: Columns) -> None:
    """Check that a delta mask covers dimensions that both state and actions have.

    Raises
    ------
    UsageError
        It is longer than one of them.

    """
    if len(mask) > min(state.dims, actions.dims):
        raise UsageError(
            f"the delta mask {format_mask(mask)} has {len(mask)} dimensions, "
            f"state has {state.dims} and actions {actions.dims}",
            fix="--delta none, or a mask that fits both",
            change={"--delta": "none"},
        )


def check_alike(datasets: Sequence[Dataset], config: TrainingConfig) -> None:
    """Check that datasets can be pooled: the same layout, columns and dimensions.

    Raises
    ------
    DataError
        Two datasets differ.

    """
    first = datasets[0]
    for other in datasets[1:]:
        if first.layout and other.layout and first.layout != other.layout:
            raise DataError(
                f"{first.root} has layout {first.layout}, {other.root} has {other.layout}: "
                "their numbers mean different things",
                fix="pool datasets of one layout only",
            )
        for alternatives in (config.state, config.actions):
            ours, theirs = choose_columns(first, alternatives), choose_columns(other, alternatives)
            if (ours.features, ours.dims) != (theirs.features, theirs.dims):
                raise DataError(
                    f"{first.root} has {' + '.join(ours.features)} of {ours.dims} dimensions, "
                    f"{other.root} {' + '.join(theirs.features)} of {theirs.dims}",
                    fix="pool datasets with the same columns only",
                )
