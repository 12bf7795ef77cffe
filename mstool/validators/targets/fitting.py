"""Which target fits a dataset: the one whose code reads its version, columns and layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mstool.dataset.record import Record
from mstool.layouts.recognise import recognise
from mstool.validators.targets.base import Target
from mstool.validators.targets.lerobot import LEROBOT
from mstool.validators.targets.lerobot_pi05 import LEROBOT_PI05
from mstool.validators.targets.maniskill import MANISKILL
from mstool.validators.targets.pi05_droid import PI05_DROID
from mstool.validators.targets.pi05_libero import PI05_LIBERO


@dataclass(frozen=True)
class Fitting:
    """A target's name, and in a few words why it fits."""

    target: str
    why: str


def fitting_target(info: Mapping[str, Any], record: Record) -> Fitting:
    """Choose the target that a dataset is made for.

    Parameters
    ----------
    info
        The dataset's description; malformed parts count as missing.
    record
        What `mstool convert` recorded of the dataset; false where that is lost, or the dataset was made elsewhere.

    """
    version = str(info.get("codebase_version") or "of unknown version")
    table = info.get("features")
    features: Mapping[str, Any] = table if isinstance(table, Mapping) else {}
    if not version.startswith("v2"):
        widest = max(_width(features, name) for name in ("observation.state", "action"))
        # What another robot recorded is no dataset for ManiSkill.
        other = MANISKILL if record else LEROBOT
        if widest > LEROBOT_PI05.max_dims.value:
            return Fitting(other.name, f"{widest} dimensions are more than pi05 takes")
        if "observation.state" in features and not record and not _has_images(features):
            return Fitting(LEROBOT.name, "there are no images, which pi05 needs")
        return Fitting(LEROBOT_PI05.name, f"it is LeRobot {version}")
    recognised = recognise(features)
    layout = record.layout or (recognised.layout.name if recognised else "")
    for target in (PI05_DROID, PI05_LIBERO):
        if layout == target.layout.value:
            return Fitting(target.name, f"it is LeRobot {version} in layout {layout}")
        if not layout and _reads(target, features):
            return Fitting(target.name, f"it is LeRobot {version} with openpi's columns")
    return Fitting(
        MANISKILL.name, f"it is LeRobot {version} {f'in layout {layout}' if layout else 'without openpi columns'}"
    )


def _reads(target: Target, features: Mapping[str, Any]) -> bool:
    """Whether every column that the target reads is there."""
    vectors = all(any(set(names) <= set(features) for names in each.value) for each in (target.state, target.actions))
    return vectors and set(target.cameras.value) <= set(features)


def _has_images(features: Mapping[str, Any]) -> bool:
    return any(isinstance(f, Mapping) and f.get("dtype") in {"image", "video"} for f in features.values())


def _width(features: Mapping[str, Any], column: str) -> int:
    shape = features[column].get("shape") if isinstance(features.get(column), Mapping) else None
    return shape[0] if isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], int) else 0
