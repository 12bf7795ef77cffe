"""Statistics of pictures: those that the episodes have, else of every picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.media import open_image
from mstool.dataset.view import channels, is_depth
from mstool.errors import DataError
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram

_NEEDED = ("min", "max", "mean", "std", "count")
# Beyond it a value is not between 0 and 1.
_MOST = 1.001


def usable(entry: Mapping[str, Any], feature: Mapping[str, Any]) -> dict[str, Array]:
    """Return an image column's statistics as arrays (C, 1, 1) and `count` (1,); {} where they are not LeRobot's.

    lerobot 0.6.1, datasets/compute_stats.py: RGB between 0 and 1, depth in its own unit.
    """
    number = channels(feature)
    try:
        found = {
            name: np.array(value, np.float64).reshape((-1,) if name == "count" else (number, 1, 1))
            for name, value in entry.items()
        }
    except (TypeError, ValueError):
        return {}
    if not found.keys() >= set(_NEEDED) or len(found["count"]) != 1:
        return {}
    if not all(np.isfinite(value).all() for value in found.values()):
        return {}
    if not is_depth(feature) and (found["max"].max() > _MOST or found["min"].min() < 0):
        return {}
    return found | {"count": found["count"].astype(np.int64)}


def is_rgb(feature: Mapping[str, Any]) -> bool:
    """Whether statistics can be counted: 8 bits in three channels."""
    return channels(feature) == 3 and not is_depth(feature)


def count(pictures: Iterable[Array]) -> dict[str, Array]:
    """Return the exact statistics of pictures, uint8 (H, W, 3)."""
    histogram = ImageHistogram()
    for image in pictures:
        histogram.add(np.ascontiguousarray(image))
    return histogram.stats()


def decoded(cells: Iterable[bytes], what: str) -> Iterable[Array]:
    """Yield compressed pictures as uint8 (H, W, 3) RGB."""
    for number, cell in enumerate(cells):
        try:
            with open_image(cell) as image:
                yield np.asarray(image.convert("RGB"))
        except (OSError, ValueError) as error:
            raise DataError(f"image {number} of {what}: {error}", fix="download the dataset again") from error


def joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the statistics of all episodes together, weighted by how many pictures each is of.

    Quantiles of parts do not give those of the whole: they are left out.
    """
    if not parts or not all(parts):
        return {}
    number = np.array([int(part["count"][0]) for part in parts], np.float64)
    weights = (number / number.sum()).reshape(-1, 1, 1, 1)
    mean, std = (np.stack([part[name] for part in parts]) for name in ("mean", "std"))
    whole = (weights * mean).sum(axis=0)
    return {
        "min": np.min([part["min"] for part in parts], axis=0),
        "max": np.max([part["max"] for part in parts], axis=0),
        "mean": whole,
        # By deviations: squares of nearly equal numbers would cancel.
        "std": np.sqrt((weights * (std**2 + (mean - whole) ** 2)).sum(axis=0)),
        "count": np.array([int(number.sum())]),
    }
