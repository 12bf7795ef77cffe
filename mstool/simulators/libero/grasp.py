"""Where the expert takes hold of an object: around its middle where that is narrow enough, else by its rim.

Nothing is known of LIBERO's objects but the points of their collision shapes. Of the ways to come down on one, that is
best in which fingers and hand have most room.
"""

from dataclasses import dataclass

import numpy as np

from mstool.contract import Array
from mstool.simulators.libero.scene import Scene, turn

# The widest that is grasped around its middle, m; the fingers open 0.08.
WIDEST_M = 0.07
# More room than this is no better, m.
ROOM_M = 0.012
# What the open Panda hand occupies about its site: along the fingers' way, across it, and from which height up, m.
# Everything above that is passed on the way down. The fingers are thin at their tips only.
HAND = (
    *((side, (-0.012, 0.012), -0.011) for side in ((0.039, 0.056), (-0.056, -0.039))),
    *((side, (-0.012, 0.012), 0.008) for side in ((0.039, 0.066), (-0.066, -0.039))),
    ((-0.105, 0.105), (-0.035, 0.035), 0.03),
)


@dataclass(frozen=True)
class Grasp:
    """Where the gripper's site is to be (3,) m, and how far the hand is turned about the vertical, rad."""

    position: Array
    yaw: float


def grasps(scene: Scene) -> list[Grasp]:
    """Return ways to take hold of the object, the best first."""
    points = scene.points(scene.moved)
    low, high = points.min(0), points.max(0)
    half = (high[2] - low[2]) / 2
    # Never deeper than the fingers are long, never into the table.
    around = max(high[2] - 0.03, low[2] + min(0.012, half))
    near = np.concatenate([points, scene.others])
    near = near[np.linalg.norm(near[:, :2] - (low + high)[:2] / 2, axis=1) < 0.25]
    rim = points[points[:, 2] > high[2] - 0.008][:, :2]
    found: list[tuple[float, Grasp]] = []
    for degrees in range(-90, 90, 15):
        yaw = np.radians(degrees)
        along = turn(yaw)[:2, :2] @ scene.fingers
        across = np.array([-along[1], along[0]])
        middle = [_middle(points[:, :2] @ axis) for axis in (along, across)]
        if np.ptp(points[:, :2] @ along) < WIDEST_M:
            places, height = [(middle[0], 0.0)], around
        else:
            edges = ((rim @ along).min() + 0.004, (rim @ along).max() - 0.004)
            # The rim need not be in the middle between the fingers: they close on it from wherever they are.
            places = [(edge + off, abs(off)) for edge in edges for off in (-0.02, -0.01, 0.0, 0.01, 0.02)]
            height = high[2] - 0.012
        for place, off in places:
            position = np.array([*(place * along + middle[1] * across), height])
            room = min(_room(near, position, along, across), ROOM_M)
            found.append((room - 0.004 * abs(yaw) - 0.1 * off, Grasp(position, float(yaw))))
    return [grasp for _, grasp in sorted(found, key=lambda pair: -pair[0])]


def _middle(numbers: Array) -> float:
    return float(numbers.min() + numbers.max()) / 2


def _room(points: Array, position: Array, along: Array, across: Array) -> float:
    """Return how far the nearest point is from the hand that comes down on a place, m; negative inside it."""
    ways = points[:, :2] - position[:2]
    nearest = np.inf
    for (first, last), (left, right), lowest in HAND:
        distances = (
            np.abs(ways @ along - (first + last) / 2) - (last - first) / 2,
            np.abs(ways @ across - (left + right) / 2) - (right - left) / 2,
            position[2] + lowest - points[:, 2],
        )
        nearest = min(nearest, float(np.max(distances, axis=0).min()))
    return nearest
