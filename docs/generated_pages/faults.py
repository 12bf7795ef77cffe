"""Pictures of faults: real frames, as they are and as a fault leaves them, by the functions that the tests use."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image
from support.mutations.images import COLOURS, TURNS, Film, held, noisy, tiny

from mstool.contract import Array

type Views = dict[str, Array]

SHEET = Path(__file__).resolve().parents[1] / "contact_sheet.png"
# Where it has PickCube: left edge, top of each view, moments, a frame's side in pixels.
LEFT, TOPS, MOMENTS, SIDE = 4, {"base": 18, "wrist": 130}, 4, 112
GAP = 16
# Between the two, on a light page and on a dark one.
GREY = 128
ALL = (0, 1, 2, 3)


@dataclass(frozen=True)
class Fault:
    """A fault as it is called under its picture, what it does to the views, and what of them is shown."""

    caption: str
    change: Callable[[Views], Views]
    shown: tuple[str, ...] = ("base", "wrist")
    # Which of the four moments: all of them where the fault is one of time.
    moments: tuple[int, ...] = (1, 3)


def _each(film: Film, *views: str) -> Callable[[Views], Views]:
    return lambda taken: {name: film(frames) if name in views else frames for name, frames in taken.items()}


def _later_half(film: Film) -> Film:
    return lambda frames: np.concatenate([frames[:2], film(frames[2:])])


FAULTS = {
    "MS304": Fault("The wrist view as it is, and filled with zeros", _each(lambda f: f * 0, "wrist")),
    "MS305": Fault(
        "Four moments, and the first image in all of them",
        _each(lambda f: f[[0, 0, 0, 0]], "base", "wrist"),
        moments=ALL,
    ),
    "MS306": Fault("Two views, and the base view under both names", lambda v: {"base": v["base"], "wrist": v["base"]}),
    "MS307": Fault("Base above wrist, and exchanged", lambda v: {"base": v["wrist"], "wrist": v["base"]}),
    "MS308": Fault("RGB, and red and blue exchanged", _each(COLOURS["BGR"], "base", "wrist")),
    "MS309": Fault("As rendered, and blown up from a quarter of the size", _each(tiny(4), "base", "wrist")),
    "MS310": Fault("The fixed view upright, and turned by 180 degrees", _each(TURNS["turned by 180"], "base")),
    "MS312": Fault(
        "All episodes alike, and some mirrored", _each(_later_half(TURNS["mirrored"]), "base"), ("base",), ALL
    ),
    "MS313": Fault("What the camera gave, and with noise", _each(noisy(25), "base", "wrist")),
    "MS316": Fault("Four moments, and every image shown twice", _each(held(2), "base", "wrist"), moments=ALL),
    "MS317": Fault(
        "The wrist view as the camera is mounted, and flipped", _each(TURNS["flipped"], "wrist"), ("wrist",)
    ),
}


def path(code: str) -> str:
    """Return where the site has the picture of a check's fault."""
    return f"faults/{code.lower()}.jpg"


def shown(code: str) -> str:
    """Return the picture of a check's fault with the line under it, as Markdown."""
    caption = FAULTS[code].caption
    return f"![{caption}]({path(code)})\n\n{caption}.\n{{ .caption }}\n"


def drawn(code: str) -> Callable[[], bytes]:
    """Return what draws that picture, as a JPEG's bytes: left as it is, right the fault, time from left to right."""
    return partial(_draw, FAULTS[code])


@cache
def frames() -> Views:
    """Return the frames of PickCube: {view: (moments, side, side, 3)}, uint8."""
    with Image.open(SHEET) as image:
        sheet = np.asarray(image.convert("RGB"))
    return {
        view: np.stack(
            [sheet[top : top + SIDE, left : left + SIDE] for left in range(LEFT, LEFT + MOMENTS * SIDE, SIDE)]
        )
        for view, top in TOPS.items()
    }


def _draw(fault: Fault) -> bytes:
    good, bad = frames(), fault.change(frames())
    gap, taken = np.full((SIDE, GAP, 3), GREY, np.uint8), list(fault.moments)
    rows = [np.concatenate([*good[view][taken], gap, *bad[view][taken]], 1) for view in fault.shown]
    held_bytes = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(held_bytes, "JPEG", quality=88)
    return held_bytes.getvalue()
