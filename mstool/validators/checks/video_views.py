"""MS304 to MS307: whether there is something to see that moves, by the camera it says."""

import re
from collections.abc import Iterator
from itertools import combinations

import numpy as np

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
