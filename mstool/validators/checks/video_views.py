"""MS304 to MS309: whether there is something to see that moves, by the camera it says, in its colours."""

import re
from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import Unavailable
from mstool.layouts import LAYOUTS
from mstool.layouts.recognise import recognise
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.video_files import need_cameras
from mstool.validators.clips import Clip, changes, clips
from mstool.validators.report import Issue, Note, Picture

# Standard deviation of a picture's values (of 255) below which there is nothing to see.
_UNIFORM = 4.0
# Share of pixels that change from frame to frame: a fixed camera sees the arm move, one on the hand everything.
_FIXED, _ON_HAND = 0.12, 0.15
_FROZEN = 0.3
# Pixels from which a fourth octave holds enough to compare with.
_LARGE = 200


def seen(context: Context) -> dict[str, list[Clip]]:
    """Return the films of every camera that can be decoded, or skip."""
    found = {}
    why = ""
    for camera in need_cameras(context):
        try:
            found[camera] = clips(context.data, camera)
        except Unavailable as error:
            why = str(error)
    if not found:
        raise Skip(why)
    return found


def uniform(found: list[Clip]) -> bool:
    """Whether a camera shows nothing in most episodes."""
    return float(np.median([picture.std() for clip in found for picture in clip.pictures])) < _UNIFORM


def declared_view(context: Context, camera: str) -> str:
    """Return which view a camera is by the record or the layout; "" where neither says."""
    views = context.data.record.views
    if camera in views:
        return views[camera]
    named = recognise(context.data.features)
    layout = named.layout if named else LAYOUTS.get(context.target.layout.value)
    return next((c.view for c in layout.cameras if camera in {c.openpi, c.lerobot}), "") if layout else ""


def is_wrist(context: Context, camera: str) -> bool | None:
    """Whether a camera is on the hand, by declaration, or else by its name; None where neither says."""
    view = declared_view(context, camera)
    name = (view or camera).lower()
    if "wrist" in name or "hand" in name or "gripper" in name:
        return True
    return False if view or re.search(r"exterior|base|third|front|agentview|top", name) else None


def shows(clip: Clip, caption: str) -> tuple[Picture, ...]:
    """Return a film's first, middle and last picture as evidence."""
    picks = sorted({0, len(clip.pictures) // 2, len(clip.pictures) - 1})
    return tuple(Picture(f"{caption}, episode {clip.episode}, frame {clip.frames[i]}", clip.pictures[i]) for i in picks)


@register
class Empty(Check):
    """MS304."""

    code, family = "MS304", "video"
    title = "no view is black or of one colour"
    meaning = (
        "a script filled in zeros where the robot has no such camera: the policy waits for an image that never comes"
    )
    fix = "render the view (mstool convert mounts a wrist camera on the plain Panda), or leave the column out"

    def run(self, context: Context) -> Iterator[Issue]:
        """Measure the spread of each picture's values."""
        for camera, found in seen(context).items():
            for clip in found:
                spread = float(np.median([picture.std() for picture in clip.pictures]))
                if spread < _UNIFORM:
                    value = float(np.median([picture.mean() for picture in clip.pictures]))
                    what = "black" if value < 8 else "of one colour"
                    yield Issue(
                        f"the view is {what}",
                        feature=camera,
                        episode=clip.episode,
                        observed=f"mean {value:.0f}, spread {spread:.1f} of 255",
                        evidence=shows(clip, camera),
                    )


@register
class Frozen(Check):
    """MS305."""

    code, family = "MS305", "video"
    title = "views move while the robot moves"
    meaning = "the same image in every frame: the policy is blind and does not know"
    fix = "update the renderer before each image (ManiSkill: scene.update_render), then convert the demos again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for pixels that change by more than noise, anywhere, at any time."""
        for camera, found in seen(context).items():
            if uniform(found):
                continue
            for clip in found:
                film = clip.film.astype(np.int16)
                most = float(np.abs(film - film[:1]).mean(axis=(1, 2, 3)).max()) if len(film) > 1 else 255.0
                if most < _FROZEN:
                    yield Issue(
                        "the view never changes",
                        feature=camera,
                        episode=clip.episode,
                        observed=f"largest mean change {most:.2f} of 255",
                        evidence=shows(clip, camera),
                    )


@register
class Identical(Check):
    """MS306."""

    code, family = "MS306", "video"
    title = "no two cameras show the same image"
    meaning = "the second view adds nothing, and at run time a real second camera shows something else"
    fix = "render each camera by itself"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare first episodes picture by picture."""
        found = {camera: clip for camera, clip in seen(context).items() if not uniform(clip)}
        if len(found) < 2:
            raise Skip("fewer than two cameras show something")
        for a, b in combinations(found, 2):
            one, two = found[a][0], found[b][0]
            if one.film.shape == two.film.shape:
                gap = float(np.abs(one.film.astype(np.int16) - two.film).mean())
                if gap < 2.0:
                    yield Issue(
                        f"{a} and {b} show the same",
                        feature=b,
                        observed=f"mean difference {gap:.1f} of 255",
                        evidence=(*shows(one, a), *shows(two, b)),
                    )


@register
class CameraPlace(Check):
    """MS307."""

    code, family = "MS307", "video"
    title = "the wrist camera moves with the hand, and the others stand still"
    meaning = "views that changed places: the pretrained model looks for the scene in the hand's image"
    fix = "swap the columns, or name them as they are"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Measure how much of the picture changes in a typical moving step."""
        changed = {}
        for camera, found in seen(context).items():
            if not uniform(found):
                steps = np.concatenate([changes(clip.film) for clip in found])
                moving = steps[steps > 0.001]
                if moving.size >= 10:
                    changed[camera] = float(np.quantile(moving, 0.75))
        if not changed:
            raise Skip("too little moves in the images")
        yield Note("changing pixels: " + ", ".join(f"{camera} {share:.0%}" for camera, share in changed.items()))
        for camera, share in changed.items():
            wrist = is_wrist(context, camera)
            picture = shows(seen(context)[camera][0], camera)
            # A name alone is no proof of a place: a hand that moves little changes few pixels, but not fewer than all.
            still = share < _FIXED if declared_view(context, camera) else share < 0.5 * max(changed.values())
            if wrist is True and still:
                yield Issue(
                    "this wrist view stands still",
                    "error" if declared_view(context, camera) else "warning",
                    feature=camera,
                    observed=f"{share:.0%} of pixels change",
                    expected=f"above {_ON_HAND:.0%}",
                    evidence=picture,
                )
            elif wrist is False and share > max(_ON_HAND, 2 * min(changed.values())):
                yield Issue(
                    "this fixed view moves like one on the hand",
                    "error" if declared_view(context, camera) else "warning",
                    feature=camera,
                    observed=f"{share:.0%} of pixels change",
                    expected=f"below {_FIXED:.0%}",
                    evidence=picture,
                )


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
