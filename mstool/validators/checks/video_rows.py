"""MS311: whether a fixed view shows the motion of its own rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from mstool.contract import Array
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.video_upright import AGREE, agreement, before_camera
from mstool.validators.checks.video_views import is_wrist, seen, shows, uniform
from mstool.validators.clips import Clip
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import Track, tracks
from mstool.validators.ways import UPRIGHT

_FEW = 30
_FEWEST = 10
# Share of the picture's motion that the hand must explain before anything is said of single episodes, and how much
# better each of two episodes' pictures must fit the other's rows: measured +0.13 for swapped ones of a task and +0.4
# of two tasks (medians), at most +0.015 for good ones.
_LEAST_SEEN = 0.35
_SWAP_GAIN = 0.05
# Shifts point where a camera of known pose says by less than this, of all episodes or of one. Good data of ten tasks:
# 0.71 and more, an episode of a thin peg alone 0.37; shuffled frames: below 0.3.
_UNLIKE, _UNLIKE_ALONE = 0.45, 0.15
# Episodes of a task that give it a projection of its own: tasks differ in camera, and in what else moves.
_OWN_PROJECTION = 3


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
    shifts = [clip.shifts() for clip in usable]
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
            fitted = list(self._fitted(context, camera, usable, [by_episode[clip.episode] for clip in usable]))
            named = {each.episode for each in fitted if isinstance(each, Issue)}
            against = list(self._against_camera(context, camera, usable, named))
            yield from (*fitted, *against)
            told = told or bool(fitted or against)
        if not told:
            raise Skip("the hand's motion explains too little of the images' to tell")

    def _fitted(
        self, context: Context, camera: str, usable: list[Clip], of_rows: list[Track]
    ) -> Iterator[Issue | Note]:
        films = _films(context, usable, of_rows)
        scores = {lag: films.scores(lag) for lag in self.LAGS}
        pooled = {lag: _mean(score) for lag, score in scores.items()}
        best = max(pooled, key=lambda lag: pooled[lag])
        if pooled[best] < _LEAST_SEEN:
            return
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

    @staticmethod
    def _against_camera(
        context: Context, camera: str, usable: list[Clip], named: set[int | None]
    ) -> Iterator[Issue | Note]:
        pairs = before_camera(context, camera, usable)
        together = agreement(pairs)
        if together is None:
            return
        scores, count = together
        ahead = max(scores, key=lambda way: scores[way])
        # A view that is turned is MS310's.
        way = ahead if scores[ahead] > AGREE else UPRIGHT
        yield Note(f"{camera}: {scores[way]:+.2f} of the hand's motion before the recorded camera")
        what = "images do not show the hand's motion before the recorded camera"
        expected = "above +0.7"
        if scores[way] < _UNLIKE:
            observed = f"{scores[way]:+.2f} of 1, {count} steps"
            yield Issue(what, feature=camera, observed=observed, expected=expected, evidence=shows(usable[0], camera))
            return
        for clip, pair in zip(usable, pairs, strict=True):
            own = agreement([pair], few=_FEWEST)
            if own and own[0][way] < _UNLIKE_ALONE and not named & {clip.episode, None}:
                yield Issue(
                    what,
                    feature=camera,
                    episode=clip.episode,
                    observed=f"{own[0][way]:+.2f} of 1, {own[1]} steps",
                    expected=expected,
                    evidence=shows(clip, camera),
                )

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
