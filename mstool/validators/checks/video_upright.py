"""MS310: whether a fixed view is the right way up."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mstool.contract import Array
from mstool.dataset.record import Record
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.video_likeness import by_task
from mstool.validators.checks.video_views import is_wrist, seen, shows, uniform
from mstool.validators.clips import Clip
from mstool.validators.meanings import SETTLE
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import Track, tracks
from mstool.validators.ways import MIRRORED, UPRIGHT, WAYS

# A view lies on its side when lifting the hand moves it this much along a row, and so little along a column; upright
# ones are above 0.6 along a column.
_LIES, _LEVEL = 0.6, 0.45
# Frames between the two pictures of a step, so that the arm moves by pixels and not by their parts.
_STRIDE = 2
_FEW = 30
_LEAST_R2 = 0.4
# The hand's steps (m) and the picture's (px) that tell; larger shifts than this are mistaken ones.
_MOVES_M, _MOVES_PX, _MOST_PX = 1e-3, 0.02, 24.0
# How well the picture's shifts must point where a camera of known pose says that the hand went, and how much better
# another way up must fit than upright. Good data of ten tasks: 0.71 and more, and ahead by 0.12 of any other way.
AGREE, _BETTER = 0.6, 0.06


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
    shift = clip.shifts(_STRIDE)
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
    keep = np.abs(picture).max(axis=1) < _MOST_PX
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
        (False, True): MIRRORED,
    }.get((flipped, mirrored), "")


def mirrored_by_convention(record: Record) -> bool:
    """Say whether a dataset's images are mirrored as they should be: LIBERO's are, which are turned by 180 degrees."""
    said = [words.get("images", "") for words in record.benchmarks.values()]
    return bool(said) and not record.maniskill and all("mirrored" in words for words in said)


def _pairs(context: Context, found: list[Clip]) -> list[tuple[Array, Array]]:
    _, all_tracks = tracks(context)
    by_episode = {track.episode: track for track in all_tracks}
    return [steps(clip, by_episode[clip.episode]) for clip in found if clip.episode in by_episode]


def _axes(context: Context, camera: str, clip: Clip) -> Array | None:
    """Return the world's directions (3, 2) that are right and down to a film's camera, where the record says so."""
    data = context.data
    of_view = data.record.cameras.get(data.task_names[clip.episode], {}).get(data.record.views.get(camera, ""), {})
    rotation = np.array(of_view.get("rotation", ()), dtype=np.float64)
    return rotation[:, :2] if rotation.shape == (3, 3) and not of_view.get("mount") else None


def before_camera(context: Context, camera: str, found: list[Clip]) -> list[tuple[Array, Array]]:
    """Return the hand's steps (n, 2) m to the right and down of the recorded camera, and the picture's, px, by film.

    Films whose rows are not known are left out; there are none where a film's camera is not known.
    """
    pairs: list[tuple[Array, Array]] = []
    for clip in found:
        of_camera = _axes(context, camera, clip)
        if of_camera is None:
            return []
        pairs += [(moved @ of_camera, shown) for moved, shown in _pairs(context, [clip])]
    return pairs


def agreement(pairs: list[tuple[Array, Array]], few: int = _FEW) -> tuple[dict[str, float], int] | None:
    """Tell for every way up how well pictures' shifts point where the hand went before a camera of known pose.

    Parameters
    ----------
    pairs
        Of `before_camera`.
    few
        Steps that must move enough.

    Returns
    -------
    tuple or None
        The mean cosine between the two for each of `WAYS`, weighted by how far the hand went, and the number of steps;
        None for fewer than `few`.

    """
    if not pairs:
        return None
    expected, shown = (np.concatenate(part) for part in zip(*pairs, strict=True))
    far, length = np.linalg.norm(expected, axis=1), np.linalg.norm(shown, axis=1)
    # NaN, where too little moves, is beyond no bound.
    tell = (far > _MOVES_M) & (length > _MOVES_PX) & (length < _MOST_PX)
    if tell.sum() < few:
        return None
    pointing = shown[tell] / length[tell, None]
    scores = {way: float((expected[tell] @ turn * pointing).sum() / far[tell].sum()) for way, turn in WAYS.items()}
    return scores, int(tell.sum())


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
        """Compare picture motion with the hand's, before the camera that the record says, or one fitted to them."""
        fixed = {
            c: found for c, found in seen(context).items() if is_wrist(context, c) is not True and not uniform(found)
        }
        if not fixed:
            raise Skip("there is no fixed view")
        tracks(context)
        unclear = []
        for camera, found in fixed.items():
            known = agreement(before_camera(context, camera, found))
            told = list(self._known(camera, found, *known) if known else self._fitted(context, camera, found))
            yield from told
            if not told:
                unclear.append(camera)
        if len(unclear) == len(fixed):
            raise Skip(f"the hand's motion in {', '.join(unclear)} is too small or too unlike its pixels' to tell")

    @staticmethod
    def _known(camera: str, found: list[Clip], scores: dict[str, float], count: int) -> Iterator[Issue | Note]:
        best = max(scores, key=lambda way: scores[way])
        if scores[best] < AGREE:
            return
        observed = f"{scores[UPRIGHT]:+.2f} as it is, {scores[best]:+.2f} {best}"
        yield Note(
            f"{camera}: the hand moves as before the recorded camera, {best} ({scores[best]:+.2f} of 1, {count} steps)"
        )
        if scores[best] > scores[UPRIGHT] + _BETTER:
            yield Issue(
                f"the view is {best} against the camera that the record says",
                feature=camera,
                evidence=shows(found[0], camera),
                observed=observed,
                expected="+1.00 as it is",
            )

    @staticmethod
    def _fitted(context: Context, camera: str, found: list[Clip]) -> Iterator[Issue | Note]:
        """Fit picture motion to the hand's: up must be up, and the camera must look down on the table."""
        pairs = _pairs(context, found)
        view = project(pairs)
        if view is None or min(view.r2) < _LEAST_R2 or np.linalg.norm(view.down) < 1e-9:
            return
        lift = float(-view.down[2] / np.linalg.norm(view.down))
        look = float(view.forward[2])
        certain = f"R² {view.r2[0]:.2f} right, {view.r2[1]:.2f} down, {view.n} steps"
        what = turned(view)
        # Hands that move in a plane leave one direction open: what hangs on a single episode is not said.
        without = [project(pairs[:i] + pairs[i + 1 :]) for i in range(len(pairs))]
        # Nor what tasks say differently, each by itself: a tool that is dragged along moves as no hand does.
        without += [project(_pairs(context, group)) for group in by_task(context, found, 3)]
        if what and any(other is None or turned(other) != what for other in without):
            return
        yield Note(
            f"{camera}: lifting the hand moves it {'up' if lift > 0 else 'down'} ({lift:+.2f}), the camera "
            f"looks {'down' if look < 0 else 'up'} ({look:+.2f}); {certain}"
        )
        if what == MIRRORED and mirrored_by_convention(context.data.record):
            return
        if what and tracks(context)[0].source == "numbers":
            raise Skip(
                f"nothing declares which way is up; if the state's third number is, {camera} is {what}; {SETTLE}"
            )
        if what:
            yield Issue(
                f"the view is {what}: {certain}",
                # Planar motion before an upright camera may look as other motion before one that is mirrored.
                "warning" if what == MIRRORED else "error",
                feature=camera,
                evidence=shows(found[0], camera),
                observed=f"up {lift:+.2f}, looks {look:+.2f}",
                expected="up above 0, looks below 0",
            )
