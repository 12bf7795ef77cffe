"""The pictures of an episode, one frame after the other."""

from collections.abc import Callable
from typing import Protocol

from mstool.contract import Array

# Gets the pictures of one frame: {view: uint8 (H, W, 3) RGB}.
type FrameSink = Callable[[dict[str, Array]], None]


class Film(Protocol):
    """Takes pictures of a running simulator; they reach its sink in order, but later than they are taken."""

    @property
    def one_by_one(self) -> str:
        """Why a GPU that could render many frames at a time is given one after the other; empty where it is not so."""

    def take(self) -> None:
        """Take one picture per view of the scene as it stands now: `step` may run at once."""

    def finish(self) -> None:
        """Hand out the pictures that are still to come."""


class TakesPictures(Protocol):
    """The part of a simulator that a film of single pictures needs."""

    def start_pictures(self) -> None:
        """Begin to take pictures."""

    def finish_pictures(self) -> dict[str, Array]:
        """Wait for them."""


class SinglePictures:
    """A film whose pictures are rendered frame by frame, each beside the physics of the step that follows it."""

    def __init__(self, simulator: TakesPictures, sink: FrameSink, one_by_one: str = "") -> None:
        self.one_by_one = one_by_one
        self._simulator, self._sink, self._begun = simulator, sink, False

    def take(self) -> None:
        """Begin the pictures of this frame, when those of the one before are there."""
        self.finish()
        self._simulator.start_pictures()
        self._begun = True

    def finish(self) -> None:
        """Wait for the pictures that were begun."""
        if self._begun:
            self._begun = False
            self._sink(self._simulator.finish_pictures())
