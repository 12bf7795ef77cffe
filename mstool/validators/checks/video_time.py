"""MS315, MS316: whether views move in the frames in which the hand moves.

Speeds tell the time better than places: a planner's arm, or a person's, starts and stops within a few frames. What
changes from one step to the next is compared, of the hand's speed and of the image's; a slow drift of either, by which
neighbouring frames are alike, drops out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from mstool.contract import Array
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.episode_rows import longest_run
from mstool.validators.checks.video_likeness import by_task
from mstool.validators.checks.video_views import declared_view, is_wrist, seen, shows, uniform
from mstool.validators.clips import Clip
from mstool.validators.report import Curve, Issue, Note, Severity
from mstool.validators.tracks import Track, tracks

LAGS = range(-4, 5)
# Steps at either end that are left out, so that every lag compares as many.
_EDGE = 6
# A lag is named when it correlates this much, and this much more than none. On good data no lag is ahead by more than
# 0.10 of all films of a view, or by 0.17 of one film.
_CLEAR, _AHEAD, _AHEAD_ALONE = 0.4, 0.1, 0.25
# Films of a wrist view that correlate less than this at every lag do not follow: 0.5 and more on good data.
_FOLLOWS, _FOLLOWS_ALONE = 0.3, 0.2
# A hand changes its speed (as `_speed` has it, its root) by this much from step to step, or what is near or far in its
# view counts for more: LIBERO's expert goes at an even pace, 0.08, and one of ten tasks then correlates 0.2; planners'
# arms stop and go, 0.15 and more, but 0.07 where they push or pull along a line.
_UNEVEN = 0.12
# Frames from which a film is told by itself: a single motion of 37 (a demo that begins before its last one) changes its
# speed too little, and its wrist view correlated 0.15.
_LONG_ALONE = 8 * _EDGE
# The hand moves (m per frame), and an image stands still: less than this share of its usual change.
_MOVES_M, _STILL = 0.003, 0.03
_STILL_SHARE, _STILL_RUN = 0.15, 5
# A hand that comes into view changes the image by less than this share of what it usually does.
_CATCHES_UP = 0.5


@dataclass(frozen=True)
class Pair:
    """Changes of the hand's and of the image's speed, one per step."""

    clip: Clip
    hand: Array
    image: Array

    def at(self, lag: int) -> Array:
        """Return the product's and both squares' sums (3,), the image `lag` frames after the hand."""
        rows = np.arange(_EDGE, len(self.image) - _EDGE)
        a, b = self.image[rows], self.hand[rows - lag]
        return np.array([a @ b, a @ a, b @ b])


def _pair(clip: Clip, track: Track, wrist: bool) -> Pair:
    film = clip.film.astype(np.float32)
    if not wrist:
        # Edges of a small moving arm flicker from pixel to pixel.
        film = np.stack([cv2.GaussianBlur(np.asarray(image), (0, 0), 2.0) for image in film])
    image = np.sqrt(np.abs(np.diff(film, axis=0)).mean(axis=(1, 2, 3)))
    speed = np.sqrt(_speed(track, wrist)[: len(image)])
    return Pair(clip, np.diff(speed), np.diff(image[: len(speed)]))


def _speed(track: Track, wrist: bool) -> Array:
    """Return how fast the hand goes and, for a camera on it, turns and grips; a centimetre counts as 0.03 rad."""
    steps: Array = np.linalg.norm(np.diff(track.position, axis=0), axis=1) / 0.01
    if not wrist:
        return steps
    turns = track.moved[:, 3:6] if track.moved.shape[1] == 6 else track.moved
    speed: Array = steps + np.linalg.norm(turns, axis=1) / 0.03
    return speed if track.opening is None else speed + np.abs(np.diff(track.opening)) / 0.01


def correlation(pairs: list[Pair]) -> dict[int, float]:
    """Return the correlation of all pairs together at every lag."""
    found = {}
    for lag in LAGS:
        product, image, hand = np.sum([pair.at(lag) for pair in pairs], axis=0)
        found[lag] = float(product / np.sqrt(image * hand + 1e-12))
    return found


def unevenness(pairs: list[Pair]) -> float:
    """Return how much the hand changes its speed from one step to the next: the root of the mean square."""
    changes = np.concatenate([pair.hand[_EDGE:-_EDGE] for pair in pairs])
    return float(np.sqrt((changes**2).mean()))


def _paired(context: Context, camera: str, found: list[Clip], of_rows: dict[int, Track]) -> Iterator[list[Pair]]:
    usable = [clip for clip in found if clip.episode in of_rows and len(clip.film) > 4 * _EDGE]
    wrist = is_wrist(context, camera) is True
    for group in by_task(context, usable, 1):
        yield [_pair(clip, of_rows[clip.episode], wrist) for clip in group]


@register
class InTime(Check):
    """MS315."""

    code, family = "MS315", "video"
    title = "views move in the frames in which the hand does"
    meaning = "images some frames late or early: the policy answers to what was, or is shown what it cannot know"
    fix = "store with frame t the image taken before action t; convert the demos again (mstool convert)"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Correlate changes of speed at several lags, for each task and film."""
        meaning, all_tracks = tracks(context)
        of_rows = {track.episode: track for track in all_tracks}
        severity: Severity = "error" if meaning.source == "record" else "warning"
        told = False
        for camera, found in seen(context).items():
            if uniform(found):
                continue
            wrist = declared_view(context, camera) == "wrist"
            for pairs in _paired(context, camera, found, of_rows):
                together = correlation(pairs)
                best = max(together, key=lambda lag: together[lag])
                yield Note(
                    f"{camera}, episodes {pairs[0].clip.episode} ...: correlation {together[0]:.2f} in time, best at "
                    f"{best} frames",
                    (_curve(together),),
                )
                ahead = _AHEAD if len(pairs) > 1 else _AHEAD_ALONE
                if best and together[best] > _CLEAR and together[best] > together[0] + ahead:
                    told = True
                    yield _late(camera, best, together, None, severity, pairs[0].clip)
                    continue
                tells = wrist and len(pairs) > 1 and unevenness(pairs) > _UNEVEN
                if tells and max(together.values()) < _FOLLOWS:
                    told = True
                    yield Issue(
                        "the view does not move when the hand does, at any shift",
                        severity,
                        feature=camera,
                        observed=f"correlation {together[best]:.2f}",
                        expected="0.5 and more",
                        evidence=(_curve(together), *shows(pairs[0].clip, camera)),
                    )
                    continue
                if together[0] < _CLEAR:
                    continue
                told = True
                yield from self._alone(camera, pairs, together[0], severity)
        if not told:
            raise Skip("no view moves enough with the hand to tell")

    @staticmethod
    def _alone(camera: str, pairs: list[Pair], typical: float, severity: Severity) -> Iterator[Issue]:
        for pair in pairs:
            own = correlation([pair])
            best = max(own, key=lambda lag: own[lag])
            if best and own[best] > _CLEAR and own[best] > own[0] + _AHEAD_ALONE:
                yield _late(camera, best, own, pair.clip.episode, severity, pair.clip)
            elif len(pair.clip.film) >= _LONG_ALONE and own[0] < min(_FOLLOWS_ALONE, 0.4 * typical):
                yield Issue(
                    "the view does not move when the hand does in this episode",
                    severity,
                    feature=camera,
                    episode=pair.clip.episode,
                    observed=f"correlation {own[0]:.2f}",
                    expected=f"about {typical:.2f}",
                    evidence=(_curve(own), *shows(pair.clip, camera)),
                )


def _late(
    camera: str, best: int, found: dict[int, float], episode: int | None, severity: Severity, clip: Clip
) -> Issue:
    return Issue(
        f"images are {abs(best)} frame{'s' if abs(best) > 1 else ''} {'late' if best > 0 else 'early'}",
        severity,
        feature=camera,
        episode=episode,
        observed=f"correlation {found[best]:.2f} at a shift of {best}",
        expected=f"best at 0, where it is {found[0]:.2f}",
        evidence=(_curve(found), *shows(clip, camera)[:1]),
    )


def _curve(found: dict[int, float]) -> Curve:
    lags = np.array(list(found))
    line = ("correlation", lags, np.array([found[lag] for lag in found]))
    return Curve("the image's motion some frames after the hand's", "shift, frames", "correlation", (line,))


def _appears(change: Array, usual: float) -> int:
    """Return at which step a hand comes into view that begins out of it, 0 where none does.

    It comes in little by little; a stream that stood still at first catches up in one step.
    """
    first = int(np.argmax(change >= _STILL * usual))
    return first if change[first] < _CATCHES_UP * usual else 0


@register
class NoneHeld(Check):
    """MS316."""

    code, family = "MS316", "video"
    title = "no image is shown twice while the hand moves"
    meaning = "a stream that froze, or a slower camera's frames doubled: the policy acts on what was"
    fix = "store one image per frame, taken at its time; drop what was recorded after the camera stopped"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for frames in which the hand moves and nothing changes."""
        meaning, all_tracks = tracks(context)
        of_rows = {track.episode: track for track in all_tracks}
        for camera, found in seen(context).items():
            if uniform(found):
                continue
            for clip in found:
                if clip.episode not in of_rows or len(clip.film) < 3:
                    continue
                change = np.abs(np.diff(clip.film.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
                step = np.linalg.norm(np.diff(of_rows[clip.episode].position, axis=0), axis=1)[: len(change)]
                moving = step > _MOVES_M
                usual = change[: len(step)][moving]
                usual = usual[usual > 0]
                if moving.sum() < 8 or not usual.size:
                    continue
                still = moving & (change[: len(step)] < _STILL * float(np.median(usual)))
                still[: _appears(change, float(np.median(usual)))] = False
                share, run = float(still.sum() / moving.sum()), longest_run(still[moving])
                if share > _STILL_SHARE or run[1] >= _STILL_RUN:
                    at = int(np.flatnonzero(still)[0]) + 1
                    yield Issue(
                        "the image is the one before while the hand moves",
                        "error" if meaning.source == "record" else "warning",
                        feature=camera,
                        episode=clip.episode,
                        frame=at,
                        observed=f"{share:.0%} of the frames in which it moves, {run[1]} in a row",
                        expected="none",
                        evidence=shows(clip, camera),
                    )
