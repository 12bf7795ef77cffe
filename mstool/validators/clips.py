"""Short films of a few episodes, made small, and how the picture moves in them."""

import itertools
from dataclasses import dataclass
from functools import cached_property
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
# Pixels that must have changed, and how much better they must tell one direction than the other, for a shift.
_LEAST_PIXELS, _WORST_CONDITION = 12, 1e3


@dataclass(frozen=True)
class Clip:
    """The first frames of one episode as one camera saw them."""

    episode: int
    # Reduced pictures, uint8 (n, h, w, 3), consecutive from frame 0.
    film: Array
    # Some pictures of the whole episode as they are stored, uint8 (H, W, 3), and their frames.
    pictures: tuple[Array, ...]
    frames: tuple[int, ...]

    def shifts(self, stride: int = 1) -> Array:
        """Return `shifts` of every `stride`-th frame of the film; several checks ask for them."""
        if stride not in self._shifts:
            self._shifts[stride] = shifts(self.film[::stride])
        return self._shifts[stride]

    @cached_property
    def _shifts(self) -> dict[int, Array]:
        return {}


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


def changes(film: Array) -> Array:
    """Return the share of pixels that change from each frame of a film (n, h, w, 3) to the next: (n - 1,)."""
    result: Array = _moved(np.diff(_grey(film), axis=0)).mean(axis=(1, 2))
    return result


def shifts(film: Array) -> Array:
    """Return by how many pixels what moves in a film (n, h, w, 3) goes right and down in each step: (n - 1, 2).

    Lucas and Kanade's shift: least squares of I_x u + I_y v = -I_t over the pixels that changed. NaN where too little
    moves.
    """
    grey = _grey(film)
    found = np.full((max(len(grey) - 1, 0), 2), np.nan)
    for step, (before, after) in enumerate(itertools.pairwise(grey)):
        change = after - before
        moved = _moved(change)
        if np.count_nonzero(moved) < _LEAST_PIXELS:
            continue
        down, right = np.gradient((before + after) / 2)
        slope = np.stack([right[moved], down[moved]]).astype(np.float64)
        square = slope @ slope.T
        # Eigenvalues of a symmetric 2 x 2 matrix: their ratio is its condition number.
        middle = (square[0, 0] + square[1, 1]) / 2
        apart = np.hypot((square[0, 0] - square[1, 1]) / 2, square[0, 1])
        if middle + apart < _WORST_CONDITION * (middle - apart):
            found[step] = np.linalg.solve(square, -slope @ change[moved])
    return found


def _grey(film: Array) -> Array:
    # Ten times as fast as numpy's mean over an axis of three.
    red, green, blue = np.moveaxis(film.astype(np.float32), -1, 0)
    result: Array = (red + green + blue) / 3
    return result


def _moved(change: Array) -> Array:
    result: Array = np.abs(change) > CHANGED
    return result
