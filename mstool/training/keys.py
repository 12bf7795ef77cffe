"""Which column of a dataset feeds which input of a policy, and every reason why one cannot."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mstool.dataset.files import STATS_FILE
from mstool.dataset.training import ACTION, IMAGES, STATE, Facts
from mstool.dataset.view import channels
from mstool.errors import DataError

# What each of LeRobot's normalisation modes needs of a dataset's statistics, and what it does with it.
# lerobot 0.6.1, processor/normalize_processor.py.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "QUANTILES": ("q01", "q99"),
    "MEAN_STD": ("mean", "std"),
    "MIN_MAX": ("min", "max"),
    "IDENTITY": (),
}
FORMULAS: Mapping[str, str] = {
    "QUANTILES": "2 (x - q01) / (q99 - q01) - 1",
    "MEAN_STD": "(x - mean) / std",
    "MIN_MAX": "2 (x - min) / (max - min) - 1",
    "IDENTITY": "as it is",
}
# Depth and grey images open, and no policy here takes them.
_CHANNELS = "the policy takes images of 3 channels"


@dataclass(frozen=True)
class InputKeys:
    """How columns and inputs go together."""

    # Every column that is read: its name in the dataset to its name in the policy.
    mapped: Mapping[str, str]
    # LeRobot's `rename_map`: the part of `mapped` whose names differ.
    renamed: Mapping[str, str] = field(default_factory=dict)
    # Inputs of the policy that get an empty, masked picture.
    empty: tuple[str, ...] = ()
    # Columns of the dataset that the policy does not read.
    unread: tuple[str, ...] = ()


def from_scratch(facts: Facts) -> InputKeys:
    """Map every column to itself: a policy without weights takes the dataset's names."""
    inputs = [key for key in facts.features if key.startswith("observation.")]
    return InputKeys({key: key for key in [*inputs, ACTION] if key in facts.features})


def onto(facts: Facts, slots: Sequence[str]) -> InputKeys:
    """Map the dataset's cameras onto the inputs of pretrained weights.

    A camera that bears an input's name keeps it. Of the others, the wrist's goes to the first free input that is a
    wrist's, the rest in the dataset's order to the first free inputs. A second outside view (DROID's) is left out
    rather than shown as a wrist.
    """
    named = {key: key for key in facts.cameras if key in slots}
    free = [slot for slot in slots if slot not in named.values()]
    has_wrist_slots = any("wrist" in slot for slot in slots)
    for key in facts.cameras:
        if key in named:
            continue
        fitting = [slot for slot in free if not has_wrist_slots or ("wrist" in slot) == _is_wrist(key, facts)]
        if fitting:
            named[key] = fitting[0]
            free.remove(fitting[0])
    others = [key for key in (STATE, ACTION) if key in facts.features]
    return InputKeys(
        mapped={key: named[key] for key in facts.cameras if key in named} | {key: key for key in others},
        renamed={key: slot for key, slot in named.items() if key != slot},
        empty=tuple(free),
        unread=tuple(key for key in facts.cameras if key not in named),
    )


def _is_wrist(key: str, facts: Facts) -> bool:
    # `libero` calls the wrist's camera image2, as LeRobot's LIBERO datasets do.
    return "wrist" in key or (key == f"{IMAGES}image2" and f"{IMAGES}image" in facts.cameras)


def check(
    facts: Facts, keys: InputKeys, inputs: Mapping[str, Any], norm: Mapping[str, str], max_dims: int | None
) -> None:
    """Name every column that does not fit, all at once.

    Parameters
    ----------
    facts, keys
        The dataset and its mapping.
    inputs
        Input features of pretrained weights, name to shape; empty where there are none.
    norm
        Normalisation mode per kind: VISUAL, STATE, ACTION.
    max_dims
        The most numbers that state and action may have, where they are padded; None where shapes must be equal.

    Raises
    ------
    DataError
        At least one does not fit.

    """
    wrong = [f"{key}: not in the dataset" for key in (STATE, ACTION) if key not in facts.features]
    if not facts.cameras:
        wrong.append(f"{IMAGES}*: the dataset has no images")
    elif not any(key in keys.mapped for key in facts.cameras):
        wrong.append(f"{', '.join(facts.cameras)}: no camera fits an input of the policy ({', '.join(keys.empty)})")
    wrong += [
        f"{key}: {_CHANNELS}, of which it has {channels(facts.features[key])}"
        for key in facts.cameras
        if key in keys.mapped and channels(facts.features[key]) != 3
    ]
    for key in (STATE, ACTION):
        if key not in facts.features:
            continue
        size = facts.length(key)
        if max_dims is not None and size > max_dims:
            wrong.append(f"{key}: {size} numbers, the policy takes at most {max_dims}")
        elif max_dims is None and key in inputs and list(inputs[key]) != [size]:
            wrong.append(f"{key}: shape ({size},) in the dataset, {tuple(inputs[key])} in the weights")
        wrong += _missing_stats(facts, key, norm["STATE" if key == STATE else "ACTION"])
    if wrong:
        raise DataError(
            f"{facts.root} does not fit the policy:\n  " + "\n  ".join(wrong),
            fix=_fix(wrong, facts.root),
        )


def _missing_stats(facts: Facts, key: str, mode: str) -> list[str]:
    stats = facts.stats.get(key, {})
    return [f"{key}: no {name} in {STATS_FILE} ({mode})" for name in NEEDS[mode] if name not in stats]


def _fix(wrong: Sequence[str], root: Path) -> str:
    if all(STATS_FILE in line for line in wrong):
        return shlex.join(["mstool", "stats", str(root)])
    if all(_CHANNELS in line for line in wrong):
        drop = [word for line in wrong for word in ("--drop", line.split(":")[0])]
        rgb = root.resolve().with_name(f"{root.resolve().name}-rgb")
        return shlex.join(["mstool", "export", str(root), *drop, "--output", str(rgb)])
    return "convert the dataset again with a layout that fits (mstool layouts), or start from other weights (--init)"
