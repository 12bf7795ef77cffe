"""Short films of a few episodes, made small, and how the picture moves in them."""

import itertools
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from mstool.contract import Array
from mstool.dataset.files import Unavailable
from mstool.validators.sampling import PICTURES, SampledView

# Frames of one film, and the side in pixels that it is reduced to.
FILM_FRAMES = 96
SIDE = 96
# A pixel changed when its grey value moved by more than this (of 255): above the noise of lossy video.
CHANGED = 8


@dataclass(frozen=True)
class Clip:
    """The first frames of one episode as one camera saw them."""

    episode: int
    # Reduced pictures, uint8 (n, h, w, 3), consecutive from frame 0.
    film: Array
    # Some pictures of the whole episode as they are stored, uint8 (H, W, 3), and their frames.
    pictures: tuple[Array, ...]
    frames: tuple[int, ...]


_cache: WeakKeyDictionary[SampledView, dict[str, list[Clip]]] = WeakKeyDictionary()


def clips(data: SampledView, camera: str) -> list[Clip]:
    """Decode the films of one camera, once; episodes that cannot be decoded are left out.

    Raises
    ------
    Unavailable
        None can be decoded.

    """
    kept = _cache.setdefault(data, {})
    if camera not in kept:
        found, why = [], f"{camera}: there are no episodes"
        for row in data.pictured:
            try:
                found.append(_clip(data, row.index, row.length, camera))
            except Unavailable as error:
                why = str(error)
        if not found:
            raise Unavailable(why)
        kept[camera] = found
    return kept[camera]


def _clip(data: SampledView, episode: int, length: int, camera: str) -> Clip:
    row = next(row for row in data.pictured if row.index == episode)
    spread = sorted({int(i) for i in np.linspace(0, length - 1, min(PICTURES, length)).round()})
    film_frames = list(range(min(length, FILM_FRAMES)))
    pictures = data.pictures(row, camera, sorted({*spread, *film_frames}))
    at = dict(zip(sorted({*spread, *film_frames}), pictures, strict=True))
    film = np.stack([reduce(at[i]) for i in film_frames])
    return Clip(episode, film, tuple(at[i] for i in spread), tuple(spread))


def reduce(picture: Array, side: int = SIDE) -> Array:
    """Average blocks of pixels so that the longer side is at most about `side`: uint8 (h, w, 3)."""
    step = int(np.ceil(max(picture.shape[:2]) / side))
    if step <= 1:
        return picture
    height, width = (n // step for n in picture.shape[:2])
    whole = np.ascontiguousarray(picture[: height * step, : width * step])
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))


@dataclass(frozen=True)
class Motion:
    """How a film moves from each frame to the next; every array has one entry per step."""

    # Share of pixels that changed.
    changed: Array
    # Mean absolute grey difference.
    amount: Array
    # Shift of the moving part in pixels, (n, 2): right, down. NaN where too little moves.
    shift: Array


def motion(film: Array) -> Motion:
    """Measure a film (n, h, w, 3): n - 1 steps.

    The shift is Lucas and Kanade's: least squares of I_x u + I_y v = -I_t over the pixels that changed.
    """
    grey = film.astype(np.float32).mean(axis=-1)
    changed, amount, shift = [], [], []
    for before, after in itertools.pairwise(grey):
        change = after - before
        moved = np.abs(change) > CHANGED
        changed.append(moved.mean())
        amount.append(np.abs(change).mean())
        shift.append(_shift((before + after) / 2, change, moved))
    return Motion(np.array(changed), np.array(amount), np.array(shift).reshape(-1, 2))


def _shift(picture: Array, change: Array, moved: Array) -> Array:
    if moved.sum() < 12:
        return np.full(2, np.nan)
    down, right = np.gradient(picture)
    slope = np.stack([right[moved], down[moved]], axis=1).astype(np.float64)
    square = slope.T @ slope
    if np.linalg.cond(square) > 1e3:
        return np.full(2, np.nan)
    result: Array = np.linalg.solve(square, -slope.T @ change[moved])
    return result
