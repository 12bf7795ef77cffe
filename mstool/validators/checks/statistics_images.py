"""MS607: LeRobot's statistics of images."""

from collections.abc import Iterator

import numpy as np

from mstool.dataset.files import STATS_FILE, read_stats
from mstool.dataset.view import is_depth
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.report import Issue
from mstool.validators.sampling import SampledView

# Episodes whose brightest pixel is looked for.
_EPISODES = 4
# So far below the brightest pixel's is no greatest value: 255 is the factor of a second division.
_FAR = 20


@register
class ImageStats(Check):
    """MS607."""

    code, family = "MS607", "statistics"
    title = f"{STATS_FILE} holds statistics of every view, between 0 and 1"
    meaning = "LeRobot puts ImageNet's mean and std into these entries and stops with a KeyError where there is none"
    fix = "mstool stats DATASET"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for the entries, and compare their size with some images."""
        data = context.data
        if data.version != "v3.0":
            raise Skip("v2.1 keeps statistics per episode (MS606)")
        views = {n: f for n, f in data.features.items() if f["dtype"] in {"image", "video"} and not is_depth(f)}
        if not views:
            raise Skip("there are no images")
        stored = read_stats(data.root)
        for camera in views:
            entry = stored.get(camera)
            if not isinstance(entry, dict) or not entry:
                # lerobot 0.6.1, datasets/factory.py, make_dataset.
                yield Issue("no statistics of this view", feature=camera)
                continue
            try:
                low, high = np.min(np.array(entry["min"], np.float64)), np.max(np.array(entry["max"], np.float64))
            except (KeyError, TypeError, ValueError):
                yield Issue("image min or max is missing or not numeric", feature=camera, fix=self._again(camera))
                continue
            if not (low >= -0.001 and high <= 1.001):
                observed = f"{low:.3g} to {high:.3g}"
                yield Issue("not between 0 and 1", feature=camera, observed=observed, fix=self._again(camera))
            elif camera in data.cameras and high < (seen := _brightest(data, camera)) / _FAR:
                yield Issue(
                    "far below what the images show: divided by 255 twice",
                    feature=camera,
                    observed=f"at most {high:.3g}",
                    expected=f"at least {seen:.3g}",
                    fix=self._again(camera),
                )

    @staticmethod
    def _again(camera: str) -> str:
        return f"remove the entry {camera!r} from {STATS_FILE}, then: mstool stats DATASET"


def _brightest(data: SampledView, camera: str) -> float:
    """Return the greatest value of a few images, 0 to 1."""
    rows = data.pictured[:_EPISODES]
    return max((float(data.pictures(row, camera, [row.length // 2])[0].max()) / 255 for row in rows), default=0.0)
