"""MS312 to MS314: whether the views of all episodes are of one kind, without noise, and each episode's own."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from mstool.contract import Array
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.video_views import is_wrist, seen, shows, uniform
from mstool.validators.clips import Clip
from mstool.validators.report import Issue, Severity

# Another way up must fit better by this factor: on good data the next best is at least 1.2 times worse.
_BETTER = 0.8
# Of 255: a typical pixel differs by this much from the other episodes', and a tone curve or an exchange of channels
# leaves less than this share of it. On good data 0 to 3.
_TONE, _LEFT = 4.0, 0.45
# Correlation of two episodes' typical images below which the scene itself is another.
_SAME_SCENE = 0.85
# Second difference in time of a typical pixel (of 255) in the stillest frames: at most 2.0 on good data.
_NOISE = 5.0
# Share of an episode's images that another shows to the bit. A simulator's are never the same while the hand moves.
_SAME = 0.25
_TURNS: dict[str, Callable[[Array], Array]] = {
    "turned by 180 degrees": lambda p: p[::-1, ::-1],
    "mirrored left to right": lambda p: p[:, ::-1],
    "flipped upside down": lambda p: p[::-1],
    "turned by 90 degrees": np.rot90,
    "turned by 270 degrees": lambda p: np.rot90(p, 3),
    "transposed": lambda p: p.swapaxes(0, 1),
}


def severity_of(context: Context) -> Severity:
    """Return how grave it is that episodes differ: a record declares one simulator, elsewhere lamps may be switched."""
    return "error" if context.data.record.converted else "warning"


def by_task(context: Context, found: list[Clip], least: int) -> Iterator[list[Clip]]:
    """Yield the films of each task, of one size, of which there are at least `least`."""
    groups: dict[tuple[str, tuple[int, ...]], list[Clip]] = {}
    for clip in found:
        groups.setdefault((context.data.task_names[clip.episode], clip.film.shape[1:]), []).append(clip)
    yield from (group for _, group in sorted(groups.items(), key=lambda item: item[0]) if len(group) >= least)


@register
class Alike(Check):
    """MS312."""

    code, family = "MS312", "video"
    title = "a view is the same way up and in the same colours in every episode"
    meaning = "some episodes went another way through the converter: the policy sees two worlds and has to learn both"
    fix = "convert those episodes as the others were: turn the images, exchange red and blue, or undo the brightness"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare each episode with the median of the others of its task."""
        told = False
        for camera, found in seen(context).items():
            if uniform(found):
                continue
            for group in by_task(context, found, 3):
                told = True
                first = [clip.film[:3].mean(axis=0) for clip in group]
                whole = [np.median(clip.film[::3], axis=0) for clip in group]
                for i, clip in enumerate(group):
                    what = _turned(first[i], _others(first, i))
                    if not what and is_wrist(context, camera) is not True:
                        what = _toned(whole[i], _others(whole, i))
                    elif not what:
                        what = _toned(first[i], _others(first, i))
                    if what:
                        other = group[0 if i else 1]
                        yield Issue(
                            f"the view is {what} the other episodes'",
                            severity_of(context),
                            episode=clip.episode,
                            feature=camera,
                            evidence=(*shows(clip, camera)[:1], *shows(other, camera)[:1]),
                        )
        if not told:
            raise Skip("no task has three episodes to compare")


def _others(pictures: list[Array], i: int) -> Array:
    return np.asarray(np.median([p for k, p in enumerate(pictures) if k != i], axis=0))


def _turned(picture: Array, others: Array) -> str:
    """Return which way up a picture is against the others', "" where it is the same."""
    off = {what: turn(picture) for what, turn in _TURNS.items()}
    gaps = {what: float(np.abs(p - others).mean()) for what, p in off.items() if p.shape == others.shape}
    best = min(gaps, key=lambda what: gaps[what])
    return f"{best} against" if gaps[best] < _BETTER * float(np.abs(picture - others).mean()) else ""


def _toned(picture: Array, others: Array) -> str:
    """Return how a picture's colours differ from the others', "" where they do not or the scene is another."""
    gap = float(np.median(np.abs(picture - others), axis=(0, 1)).max())
    alike = float(np.corrcoef(picture.mean(axis=-1).ravel(), others.mean(axis=-1).ravel())[0, 1])
    if gap < _TONE or alike < _SAME_SCENE:
        return ""
    turned = float(np.median(np.abs(picture[..., ::-1] - others), axis=(0, 1)).max())
    if turned < _LEFT * gap:
        return "with red and blue exchanged against"
    left = float(np.median(np.abs(picture - _mapped(picture, others)), axis=(0, 1)).max())
    if left > _LEFT * gap:
        return ""
    by = float(np.median(picture - others))
    spread = np.ptp(np.quantile(picture, [0.02, 0.98])) / max(float(np.ptp(np.quantile(others, [0.02, 0.98]))), 1.0)
    return f"{'brighter' if by > 0 else 'darker'} (by {abs(by):.0f} of 255, contrast x {spread:.2f}) than"


def _mapped(picture: Array, others: Array, levels: int = 16) -> Array:
    """Give the others' pixels the tones that pixels of their level have in the picture."""
    out = np.empty_like(others)
    for channel in range(others.shape[2]):
        bins = (others[..., channel] / 256 * levels).astype(int)
        for level in np.unique(bins):
            inside = bins == level
            tone = picture[..., channel][inside] - others[..., channel][inside]
            out[..., channel][inside] = others[..., channel][inside] + np.median(tone)
    return out


@register
class Quiet(Check):
    """MS313."""

    code, family = "MS313", "video"
    title = "what stands still looks still"
    meaning = "noise, or an image that shakes: the policy has less to see than the camera had"
    fix = "store what the camera gave; augment images while training instead"

    def run(self, context: Context) -> Iterator[Issue]:
        """Measure how much a typical pixel flickers in the stillest frames."""
        for camera, found in seen(context).items():
            for clip in found:
                if len(clip.film) < 10 or uniform([clip]):
                    continue
                grey = clip.film.astype(np.float32).mean(axis=-1)
                flicker = np.median(np.abs(grey[2:] - 2 * grey[1:-1] + grey[:-2]), axis=(1, 2))
                least = float(np.quantile(flicker, 0.05))
                if least > _NOISE:
                    yield Issue(
                        "the view flickers in every frame",
                        severity_of(context),
                        episode=clip.episode,
                        feature=camera,
                        observed=f"{least:.1f} of 255",
                        expected=f"below {_NOISE:g}",
                        evidence=shows(clip, camera)[:1],
                    )


@register
class OwnImages(Check):
    """MS314."""

    code, family = "MS314", "video"
    title = "no episode shows another's images"
    meaning = "the policy sees one episode and is taught the actions of another"
    fix = "convert the demos again; check the spans in the episode table and the order of the video files"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look up every image that differs from the one before in the films of other episodes."""
        for camera, found in seen(context).items():
            seen_before: dict[bytes, int] = {}
            for clip in found:
                film = clip.film
                moving = np.flatnonzero(np.abs(np.diff(film.astype(np.int16), axis=0)).max(axis=(1, 2, 3)) > 0)
                keys = {film[i].tobytes() for i in moving}
                owners = Counter(seen_before[key] for key in keys if key in seen_before)
                if keys and owners and owners.total() > _SAME * len(keys):
                    other, count = owners.most_common(1)[0]
                    yield Issue(
                        f"the episode shows images of episode {other}",
                        severity_of(context),
                        episode=clip.episode,
                        feature=camera,
                        observed=f"{count} of {len(keys)} are the same to the bit",
                        expected="none",
                        evidence=shows(clip, camera)[:1],
                    )
                seen_before |= dict.fromkeys(keys - seen_before.keys(), clip.episode)
