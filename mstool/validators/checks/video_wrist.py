"""MS317: whether the hand's camera shows motion the way up that the robot has it mounted."""

from collections.abc import Iterator

import cv2
import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import state_of
from mstool.layouts.rotations import quat_multiply
from mstool.robots import Robot
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.video_views import declared_view, seen, shows, uniform
from mstool.validators.clips import Clip
from mstool.validators.meanings import Meaning
from mstool.validators.poses import WXYZ, hand_pose
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import tracks
from mstool.validators.ways import UPRIGHT, WAYS

# Steps of the hand (m) that tell, and how many; shifts beyond this (pixels of a film) are mistaken ones.
_MOVES_M, _FEW, _MOST_PX = 0.002, 60, 15.0
# Share of the shifts that motion explains, and how much better another way up must fit than the mounted one.
# Where motion explains 0.38 to 0.88 of the shifts (twelve datasets of five tasks) the way that fits best is the right
# one; at 0.24 (PullCube in 32 px, hardly any motion in the image) it was another.
_LEAST_R2, _TOLD_R2, _BETTER = 0.2, 0.3, 1.8


def _rotated(vectors: Array, quat: Array, *, back: bool = False) -> Array:
    """Turn vectors (n, 3) by quaternions (n, 4) wxyz, or back."""
    conjugate = quat * [1, -1, -1, -1]
    first, last = (conjugate, quat) if back else (quat, conjugate)
    pure = np.concatenate([np.zeros((len(vectors), 1)), vectors], axis=1)
    return quat_multiply(quat_multiply(first, pure), last)[:, 1:]


def camera_motion(robot: Robot, position: Array, quat: Array) -> Array:
    """Return how the hand's camera moves to its own right and down in each step (n - 1, 2) m.

    SAPIEN's cameras look along x, with y to the left and z up.
    """
    mounted = robot.hand_camera
    if mounted is None:
        raise Skip(f"where a {robot.name}'s hand has its camera is not known")
    offset = np.array(mounted.position) - [0.0, 0.0, robot.tool_beyond_hand_m]
    where = position + _rotated(np.broadcast_to(offset, position.shape), quat)
    steps = _rotated(np.diff(where, axis=0), quat[:-1], back=True)
    own = _rotated(steps, np.broadcast_to(np.array(mounted.quaternion), (len(steps), 4)), back=True)
    return np.asarray(-own[:, 1:])


def _shifts(clip: Clip, motion: Array) -> tuple[Array, Array]:
    """Return the camera's steps that are large enough, and the image's shifts in them, (n, 2) each."""
    grey = clip.film.astype(np.float32).mean(axis=-1)
    window = cv2.createHanningWindow(grey.shape[:0:-1], cv2.CV_32F)
    steps = [i for i in range(min(len(grey) - 1, len(motion))) if np.linalg.norm(motion[i]) > _MOVES_M]
    shifts = [cv2.phaseCorrelate(grey[i], grey[i + 1], window)[0] for i in steps]
    return motion[steps], np.array(shifts).reshape(-1, 2)


def distinct(moved: Array, shifts: Array) -> tuple[Array, Array]:
    """Return the steps (n, 2) whose shifts (n, 2) are credible, each once: a copy of an episode tells nothing."""
    fine = np.abs(shifts).max(axis=1, initial=0) < _MOST_PX
    steps = np.unique(np.concatenate([moved[fine], shifts[fine]], axis=1), axis=0)
    return steps[:, :2], steps[:, 2:]


@register
class WristUpright(Check):
    """MS317."""

    code, family = "MS317", "video"
    title = "the wrist view is the way up that the robot's camera is mounted"
    meaning = "evaluation shows the policy the view as it is mounted: what it learnt is turned or mirrored"
    fix = "turn or flip the wrist images back before storing them"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare the image's shifts with the mounted camera's motion."""
        meaning, found = tracks(context)
        if meaning.source != "record":
            raise Skip("nothing declares where on the hand the camera is")
        if turned := ", ".join(context.data.record.benchmarks):
            raise Skip(f"{turned} has its own cameras, and stores what they see its own way (see the record)")
        poses = self._poses(context, meaning, {t.episode for t in found})
        told, most = False, 0
        for camera, films in seen(context).items():
            if declared_view(context, camera) != "wrist" or uniform(films):
                continue
            parts = [_shifts(c, camera_motion(meaning.robot, *poses[c.episode])) for c in films if c.episode in poses]
            moved, shifts = (np.concatenate(each) for each in zip(*parts, strict=True))
            moved, shifts = distinct(moved, shifts)
            most = max(most, len(moved))
            if len(moved) < _FEW:
                continue
            matrix, share = _fitted(moved, shifts)
            # What the camera moves to, the image moves from.
            scores = {way: -float((turn * matrix).sum()) for way, turn in WAYS.items()}
            best = max(scores, key=lambda way: scores[way])
            yield Note(f"{camera}: {best}, R² {share:.2f}, {len(moved)} steps")
            if share < _LEAST_R2:
                continue
            told = True
            if best != UPRIGHT and share >= _TOLD_R2 and scores[best] > _BETTER * scores[UPRIGHT]:
                yield Issue(
                    f"the view is {best} against the camera on the {meaning.robot.name}'s hand",
                    feature=camera,
                    observed=f"R² {share:.2f}, {len(moved)} steps",
                    evidence=shows(films[0], camera),
                )
        if not told:
            raise Skip(
                f"{most} steps of the episodes looked at shift the wrist view with the hand, {_FEW} are needed to tell"
                if most < _FEW
                else "no wrist view shifts enough with the hand to tell"
            )

    @staticmethod
    def _poses(context: Context, meaning: Meaning, episodes: set[int]) -> dict[int, tuple[Array, Array]]:
        return {
            rows.episode: hand_pose(state_of(context.data, rows), meaning, WXYZ)
            for rows in context.data.sample
            if rows.episode in episodes
        }


def _fitted(moved: Array, shifts: Array) -> tuple[Array, float]:
    """Return the matrix (2, 2) from the camera's motion to the image's shift, and the share that it explains."""
    weights = np.ones(len(moved))
    for _ in range(6):
        matrix = np.linalg.lstsq(moved * weights[:, None], shifts * weights[:, None], rcond=None)[0]
        off = np.linalg.norm(shifts - moved @ matrix, axis=1)
        weights = 1 / np.sqrt(np.maximum(1, off / (1.345 * 1.4826 * np.median(off) + 1e-9)))
    left = ((weights[:, None] * (shifts - moved @ matrix)) ** 2).sum()
    return np.asarray(matrix), float(1 - left / max(float(((weights[:, None] * shifts) ** 2).sum()), 1e-9))
