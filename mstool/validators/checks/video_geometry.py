"""MS310, MS311: whether a picture is the right way up, and shows the motion of its own rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from mstool.contract import Array
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.video_likeness import by_task
from mstool.validators.checks.video_views import is_wrist, seen, shows, uniform
from mstool.validators.clips import Clip, motion
from mstool.validators.meanings import SETTLE
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import Track, tracks

# A view lies on its side when lifting the hand moves it this much along a row, and so little along a column; upright
# ones are above 0.6 along a column.
_LIES, _LEVEL = 0.6, 0.45
_MIRRORED = "mirrored left to right"
# Frames between the two pictures of a step, so that the arm moves by pixels and not by their parts.
_STRIDE = 2
_FEW = 30
_FEWEST = 10
_LEAST_R2 = 0.4
# Share of the picture's motion that the hand must explain before anything is said of single episodes, and how much
# better each of two episodes' pictures must fit the other's rows: measured +0.13 for swapped ones of a task and +0.4
# of two tasks (medians), at most +0.015 for good ones.
_LEAST_SEEN = 0.35
_SWAP_GAIN = 0.05
# Episodes of a task that give it a projection of its own: tasks differ in camera, and in what else moves.
_OWN_PROJECTION = 3


@dataclass(frozen=True)
class Projection:
    """How a fixed camera shows the hand's motion: pixels per metre, linear."""

    # World directions (3,) in which the picture's right and down grow, times pixels per metre.
    right: Array
    down: Array
    # Share of the shifts that it explains, per picture axis.
    r2: tuple[float, float]
    n: int

    @property
    def forward(self) -> Array:
        """Where the camera looks (3,), unit length: right x down, for a picture that is not mirrored."""
        cross = np.cross(self.right, self.down)
        result: Array = cross / max(float(np.linalg.norm(cross)), 1e-12)
        return result


def steps(clip: Clip, track: Track) -> tuple[Array, Array]:
    """Return the hand's steps (n, 3) m and the picture's (n, 2) px for a film, where enough moves."""
    film = clip.film[::_STRIDE]
    shift = motion(film).shift
    where = track.position[: len(clip.film)][::_STRIDE]
    count = min(len(shift), len(where) - 1)
    return np.diff(where, axis=0)[:count], shift[:count]


def project(pairs: list[tuple[Array, Array]]) -> Projection | None:
    """Fit a projection to hand and picture steps; None where too little moves."""
    if not pairs:
        return None
    hand, picture = (np.concatenate(part) for part in zip(*pairs, strict=True))
    fine = np.isfinite(picture).all(axis=1)
    hand, picture = hand[fine], picture[fine]
    if len(hand) < _FEW:
        return None
    # Shifts of more than a quarter of the picture are not what this linear flow can see.
    keep = np.abs(picture).max(axis=1) < 24
    hand, picture = hand[keep], picture[keep]
    weights = np.ones(len(hand))
    matrix = np.zeros((3, 2))
    for _ in range(6):
        matrix = np.linalg.lstsq(hand * weights[:, None], picture * weights[:, None], rcond=None)[0]
        off = np.linalg.norm(picture - hand @ matrix, axis=1)
        weights = 1 / np.sqrt(np.maximum(1, off / (1.345 * 1.4826 * np.median(off) + 1e-9)))
    left = (weights[:, None] * (picture - hand @ matrix)) ** 2
    total = (weights[:, None] * picture) ** 2
    r2 = 1 - left.sum(axis=0) / np.maximum(total.sum(axis=0), 1e-12)
    return Projection(matrix[:, 0], matrix[:, 1], (float(r2[0]), float(r2[1])), len(hand))


def turned(view: Projection) -> str:
    """Return how a fixed view's picture is turned or mirrored, "" where it is upright."""
    lift = float(-view.down[2] / max(float(np.linalg.norm(view.down)), 1e-12))
    if abs(view.right[2]) > _LIES * float(np.linalg.norm(view.right)) and abs(lift) < _LEVEL:
        return "turned by 90 degrees or transposed"
    # A camera level with the hand, or one that looks straight down, leaves one of the two open.
    flipped, mirrored = lift < -0.25, float(view.forward[2]) > 0.25
    return {
        (True, False): "turned by 180 degrees",
        (True, True): "flipped upside down",
        (False, True): _MIRRORED,
    }.get((flipped, mirrored), "")


def _pairs(context: Context, found: list[Clip]) -> list[tuple[Array, Array]]:
    _, all_tracks = tracks(context)
    by_episode = {track.episode: track for track in all_tracks}
    return [steps(clip, by_episode[clip.episode]) for clip in found if clip.episode in by_episode]


@register
class Upright(Check):
    """MS310."""

    code, family = "MS310", "video"
    title = "fixed views are upright and not mirrored"
    meaning = (
        "raw OpenGL buffers are upside down (LIBERO turns them): pretrained weights have never seen the scene like that"
    )
    fix = "turn or flip the images back before storing them"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Fit picture motion to the hand's: up must be up, and the camera must look down on the table."""
        fixed = {
            c: found for c, found in seen(context).items() if is_wrist(context, c) is not True and not uniform(found)
        }
        if not fixed:
            raise Skip("there is no fixed view")
        meaning, _ = tracks(context)
        unclear = []
        for camera, found in fixed.items():
            pairs = _pairs(context, found)
            view = project(pairs)
            if view is None or min(view.r2) < _LEAST_R2 or np.linalg.norm(view.down) < 1e-9:
                unclear.append(camera)
                continue
            lift = float(-view.down[2] / np.linalg.norm(view.down))
            look = float(view.forward[2])
            certain = f"R² {view.r2[0]:.2f} right, {view.r2[1]:.2f} down, {view.n} steps"
            what = turned(view)
            # Hands that move in a plane leave one direction open: what hangs on a single episode is not said.
            without = [project(pairs[:i] + pairs[i + 1 :]) for i in range(len(pairs))]
            # Nor what tasks say differently, each by itself: a tool that is dragged along moves as no hand does.
            without += [project(_pairs(context, group)) for group in by_task(context, found, 3)]
            if what and any(other is None or turned(other) != what for other in without):
                unclear.append(camera)
                continue
            yield Note(
                f"{camera}: lifting the hand moves it {'up' if lift > 0 else 'down'} ({lift:+.2f}), the camera "
                f"looks {'down' if look < 0 else 'up'} ({look:+.2f}); {certain}"
            )
            if what and meaning.source == "numbers":
                raise Skip(
                    f"nothing declares which way is up; if the state's third number is, {camera} is {what}; {SETTLE}"
                )
            if what:
                yield Issue(
                    f"the view is {what}: {certain}",
                    # A good PlaceSphere's motion, mostly in one plane, looks as a mirrored PickCube's does.
                    "warning" if what == _MIRRORED else "error",
                    feature=camera,
                    evidence=shows(found[0], camera),
                    observed=f"up {lift:+.2f}, looks {look:+.2f}",
                    expected="up above 0, looks below 0",
                )
        if len(unclear) == len(fixed):
            raise Skip(f"the hand's motion in {', '.join(unclear)} is too small or too unlike its pixels' to tell")


@dataclass(frozen=True)
class Films:
    """The hand's and the pictures' motion of some episodes, and which of them a projection is fitted on together."""

    # Positions (T, 3) m, and picture shifts (n, 2) px, of each episode.
    hands: list[Array]
    shifts: list[Array]
    # Episodes, by position in the lists; and whether all of a group are of one task.
    groups: list[list[int]]
    by_task: bool

    def swapped(self, i: int, j: int) -> "Films":
        """Give two episodes each other's rows."""
        hands = list(self.hands)
        hands[i], hands[j] = hands[j], hands[i]
        return replace(self, hands=hands)

    def scores(self, lag: int) -> list[float]:
        """Share of each episode's picture motion explained by the hand's `lag` frames before; NaN for too few."""
        found = [np.nan] * len(self.hands)
        for group in self.groups:
            pairs = {i: self._pair(i, lag) for i in group}
            hand, picture = (np.concatenate(part) for part in zip(*pairs.values(), strict=True))
            if len(hand) < _FEW:
                continue
            matrix = np.linalg.lstsq(hand, picture, rcond=None)[0]
            for i, (h, p) in pairs.items():
                if len(h) >= _FEWEST:
                    found[i] = float(1 - ((p - h @ matrix) ** 2).sum() / max(float((p**2).sum()), 1e-9))
        return found

    def _pair(self, i: int, lag: int) -> tuple[Array, Array]:
        hand = np.diff(self.hands[i], axis=0)[: len(self.shifts[i])]
        shift = self.shifts[i][: len(hand)]
        rows = np.arange(6, len(hand) - 6)
        good = rows[np.isfinite(shift[rows]).all(axis=1) & (np.abs(np.nan_to_num(shift[rows])).max(axis=1) < 12)]
        return hand[good - lag], shift[good]


def _films(context: Context, usable: list[Clip], of_rows: list[Track]) -> Films:
    names = context.data.task_names
    groups: dict[str, list[int]] = {}
    for i, clip in enumerate(usable):
        groups.setdefault(names[clip.episode], []).append(i)
    split = [group for group in groups.values() if len(group) >= _OWN_PROJECTION]
    shifts = [motion(clip.film).shift for clip in usable]
    everything = [list(range(len(usable)))]
    by_task = bool(split) or len(groups) == 1
    return Films([track.position for track in of_rows], shifts, split or everything, by_task)


def _mean(scores: list[float]) -> float:
    known = [score for score in scores if np.isfinite(score)]
    return float(np.mean(known)) if known else 0.0


@register
class PicturesOfTheirRows(Check):
    """MS311."""

    code, family = "MS311", "video"
    title = "images show the motion of their own rows"
    meaning = "videos of another episode, or some frames late: what the policy sees has nothing to do with what it does"
    fix = "convert the demos again; check the spans in the episode table and the order of the video files"
    LAGS = range(-6, 7)

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Predict each episode's picture motion from the hand's, at several shifts."""
        fixed = {
            c: found for c, found in seen(context).items() if is_wrist(context, c) is not True and not uniform(found)
        }
        if not fixed:
            raise Skip("there is no fixed view")
        _, all_tracks = tracks(context)
        by_episode = {track.episode: track for track in all_tracks}
        told = False
        for camera, found in fixed.items():
            usable = [clip for clip in found if clip.episode in by_episode and len(clip.film) > 20]
            if not usable:
                continue
            films = _films(context, usable, [by_episode[clip.episode] for clip in usable])
            scores = {lag: films.scores(lag) for lag in self.LAGS}
            pooled = {lag: _mean(score) for lag, score in scores.items()}
            best = max(pooled, key=lambda lag: pooled[lag])
            if pooled[best] < _LEAST_SEEN:
                continue
            told = True
            yield Note(
                f"{camera}: the hand explains {pooled[0]:.0%} of the image's motion, best at a shift of {best} frames"
            )
            if abs(best) > 1 and pooled[best] > pooled[0] + 0.05:
                yield Issue(
                    f"images are {abs(best)} frames {'early' if best < 0 else 'late'}",
                    feature=camera,
                    observed=f"R² {pooled[best]:.2f} at a shift of {best}",
                    expected=f"best at 0, where it is {pooled[0]:.2f}",
                )
            if len(usable) > 2 and abs(best) <= 1:
                yield from self._odd(camera, usable, films, scores[0])
        if not told:
            raise Skip("the hand's motion explains too little of the images' to tell")

    @staticmethod
    def _odd(camera: str, usable: list[Clip], films: Films, scores: list[float]) -> Iterator[Issue]:
        typical = float(np.nanmedian(scores))
        for i, j in combinations(range(len(usable)), 2):
            swapped = films.swapped(i, j).scores(0)
            if min(swapped[i] - scores[i], swapped[j] - scores[j]) > _SWAP_GAIN:
                for a, b in ((i, j), (j, i)):
                    yield Issue(
                        f"images show the motion of episode {usable[b].episode}",
                        feature=camera,
                        episode=usable[a].episode,
                        observed=f"R² {scores[a]:.2f} as stored, {swapped[a]:.2f} if both are swapped",
                        evidence=shows(usable[a], camera),
                    )
                return
        for clip, score in zip(usable, scores, strict=True):
            if films.by_task and typical > _LEAST_SEEN and score < 0.1:
                yield Issue(
                    "images do not show this episode's motion",
                    feature=camera,
                    episode=clip.episode,
                    observed=f"R² {score:.2f}",
                    expected=f"about {typical:.2f}",
                    evidence=shows(clip, camera),
                )
