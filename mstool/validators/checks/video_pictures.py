"""MS308 and MS309: whether pictures have their colours, and the detail that their size promises."""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from mstool.contract import Array
from mstool.validators.check import Check, Context, register
from mstool.validators.checks.video_views import is_wrist, seen, shows, uniform
from mstool.validators.clips import Clip
from mstool.validators.report import Issue, Note

# Pixels from which a fourth octave holds enough to compare with.
_LARGE = 200


@register
class ChannelOrder(Check):
    """MS308."""

    code, family = "MS308", "video"
    title = "images are RGB, not BGR"
    meaning = (
        "red and blue change places (OpenCV reads and writes BGR): the instruction names a colour that is not there"
    )
    fix = "reverse the channels before storing: image[..., ::-1]"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare with the stored statistics, and with the colours that the instruction names."""
        told = False
        for camera, found in seen(context).items():
            if uniform(found):
                continue
            pictures = [picture for clip in found for picture in clip.pictures]
            mean = np.mean([p.reshape(-1, 3).mean(axis=0) for p in pictures], axis=0) / 255
            stored = self._stored(context, camera)
            if stored is not None and abs(mean[0] - mean[2]) > 0.03:
                told = True
                straight, turned = np.abs(mean - stored).max(), np.abs(mean[::-1] - stored).max()
                if turned < 0.3 * straight:
                    yield Issue(
                        "the stored statistics are those of the reversed channels",
                        feature=camera,
                        observed=_three(mean),
                        expected=_three(stored),
                        evidence=shows(found[0], camera),
                    )
                    continue
            yield from self._by_words(context, camera, found)
        if not told:
            yield Note("no stored image statistics to compare with")

    @staticmethod
    def _stored(context: Context, camera: str) -> Array | None:
        rows = {
            clip.stats[camera]["mean"] is not None and clip.index: clip
            for clip in context.data.pictured
            if "mean" in clip.stats.get(camera, {})
        }
        if not rows:
            return None
        means = [np.ravel(np.array(_flat(row.stats[camera]["mean"]), dtype=np.float64)) for row in rows.values()]
        stacked = np.array([mean for mean in means if mean.shape == (3,)])
        return stacked.mean(axis=0) if len(stacked) else None

    @staticmethod
    def _by_words(context: Context, camera: str, found: list[Clip]) -> Iterator[Issue]:
        words = {row.index: " ".join(row.tasks).lower() for row in context.data.pictured}
        # The other way round tells nothing: wood and skin are red in any picture.
        named = [
            clip
            for clip in found
            if re.search(r"\bred\b", words[clip.episode]) and not re.search(r"\bblue\b", words[clip.episode])
        ]
        if not named or is_wrist(context, camera):
            return
        pictures = [picture for clip in named for picture in clip.pictures]
        pixels = np.concatenate([p.reshape(-1, 3)[::7] for p in pictures]).astype(np.int16)
        r, g, b = pixels.T
        red = float(((r > 120) & (g < 90) & (b < 90)).mean())
        blue = float(((b > 120) & (r < 90) & (g < 90)).mean())
        if blue > 0.001 and blue > 5 * red:
            yield Issue(
                "the instruction names something red, and the image shows blue but no red",
                "warning",
                feature=camera,
                observed=f"{red:.2%} red, {blue:.2%} blue",
                evidence=shows(named[0], camera),
            )


def _flat(value: object) -> list[float]:
    if isinstance(value, list):
        return [number for part in value for number in _flat(part)]
    return [float(value)]  # type: ignore[arg-type]


def _three(values: Array) -> str:
    return "R {:.2f}, G {:.2f}, B {:.2f}".format(*values)


@register
class BlownUp(Check):
    """MS309."""

    code, family = "MS309", "video"
    title = "images have the detail that their size promises"
    meaning = "small renders blown up (128 px to 640x480) cost space and show the model nothing more"
    fix = "render at the size that is stored"
    # Renders: 0.71 and more; the same at 128, 64 or 32 px blown up to 480, also by mp4v: at most 0.43.
    LEAST = 0.5

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare each of the finest octaves of detail with the next one."""
        for camera, found in seen(context).items():
            if uniform(found) or min(found[0].pictures[0].shape[:2]) < 48:
                continue
            ratio = float(np.median([fineness(p) for clip in found for p in clip.pictures[:3]]))
            yield Note(f"{camera}: the finest octaves have {ratio:.2f} of the next ones' detail")
            if ratio < self.LEAST:
                yield Issue(
                    "images look blown up from a smaller size",
                    "warning",
                    feature=camera,
                    observed=f"{ratio:.2f}",
                    expected=f"above {self.LEAST}",
                    evidence=shows(found[0], camera)[:1],
                )


def without_bars(picture: Array) -> Array:
    """Cut off bars of one colour at the sides, whose sharp edges are no detail of the scene."""
    grey = picture.mean(axis=-1)
    for axis in (0, 1):
        busy = np.flatnonzero(grey.std(axis=1 - axis) > 2)
        if busy.size and busy[-1] - busy[0] > 48 and busy.size < grey.shape[axis]:
            inside = slice(int(busy[0]) + 4, int(busy[-1]) - 3)
            picture = picture[inside] if axis == 0 else picture[:, inside]
            grey = picture.mean(axis=-1)
    return picture


def fineness(picture: Array) -> float:
    """Return how much detail a picture (H, W, 3) has in its finest octaves, each against the next one, at the least.

    Scenes have about as much in one octave of spatial frequency as in the next (Field, 1987); what was blown up by n
    has nearly none above 1/n of the finest frequency, whatever a codec adds at the very end.
    """
    grey = without_bars(picture).astype(np.float32).mean(axis=-1)
    window = np.outer(*(np.hanning(n) for n in grey.shape))
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
    frequency = np.maximum(np.abs(np.fft.fftfreq(grey.shape[0]))[:, None], np.fft.rfftfreq(grey.shape[1]))
    octaves = 4 if min(grey.shape) >= _LARGE else 3
    detail = [power[(frequency > 0.25 / 2**k) & (frequency <= 0.5 / 2**k)].sum() for k in range(octaves)]
    return float(np.sqrt(min(fine / max(coarse, 1e-6) for fine, coarse in pairwise(detail))))
