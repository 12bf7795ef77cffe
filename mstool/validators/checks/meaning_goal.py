"""MS508: whether anything that the policy is given can tell where the goal is."""

import contextlib
import re
from collections.abc import Iterator

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import Unavailable
from mstool.dataset.vectors import names_of
from mstool.manifest import load_manifest
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.video_views import seen, shows
from mstool.validators.report import Issue, Note
from mstool.validators.tracks import tracks

# Tasks of mani_skill 3.0.1 that put their green goal marker into `_hidden_objects`: `goal_site` in tasks/tabletop.
HIDING = ("PickCube", "PickSingleYCB", "PickClutterYCB", "TwoRobotPickCube")
# Episodes end at different places when the spread of the hand's last position is above this, m.
_VARIES_M = 0.02
# PickCube's marker covers 0.07 % of the base view; blocks of lossy video show up to 0.005 % of green where none is.
_SEEN_SHARE = 2e-4


@register
class HiddenGoal(Check):
    """MS508."""

    code, family = "MS508", "meaning"
    title = "the goal can be seen, or is in the state"
    meaning = (
        "ManiSkill hides PickCube's goal from every camera: no policy that sees images and the arm alone can solve it"
    )
    fix = "convert the demos again: mstool convert --goal visible draws the marker, --goal state stores its position"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Look for the marker's green in the pictures of tasks that are known to hide it."""
        data = context.data
        task, source, hiding = self._task(context)
        goals = [name for name in data.features if "goal" in name.lower() or name.endswith("environment_state")]
        goals += [
            f"{c}.{n}" for c in data.features if c not in data.cameras for n in names_of(data, c) if "goal" in n.lower()
        ]
        if goals:
            yield Note(f"the goal is in the state: {', '.join(goals[:3])}")
            return
        spread = self._spread(context, hiding)
        if spread is not None and spread < _VARIES_M:
            raise Skip(f"every episode ends at the same place (within {spread * 100:.1f} cm)")
        films = {
            camera: kept
            for camera, found in seen(context).items()
            if (kept := [clip for clip in found if hiding is None or clip.episode in hiding])
        }
        if not films:
            raise Skip(f"no episode of {task} is among those that are looked at")
        episodes = {clip.episode for found in films.values() for clip in found}
        shown = {
            clip.episode
            for found in films.values()
            for clip in found
            if max(map(green_share, clip.pictures)) > _SEEN_SHARE
        }
        ends = f"; episodes end {spread * 100:.0f} cm apart" if spread is not None else ""
        yield Note(f"{task} (by {source}): the green marker is seen in {len(shown)} of {len(episodes)} episodes{ends}")
        if len(shown) < 0.5 * len(episodes):
            first = next(iter(films.values()))[0]
            yield Issue(
                f"{task} hides its goal, and neither an image nor the state shows it{ends}",
                "error" if data.record.converted else "warning",
                feature=next(iter(films)),
                observed=f"green marker in {len(shown)} of {len(episodes)} episodes",
                expected="in most",
                evidence=shows(first, next(iter(films))),
            )

    @staticmethod
    def _task(context: Context) -> tuple[str, str, set[int] | None]:
        """Tell the task that hides its goal, how it is known, and its episodes (None for all); skip other datasets."""
        data = context.data
        declared = list(data.record.env_ids)
        places = {"its record": " ".join(declared)}
        if not declared:
            with contextlib.suppress(Unavailable):
                places["its instruction"] = " ".join(task for _, task in data.tasks)
            places |= {"robot_type": str(data.info.get("robot_type")), "its folder's name": data.root.resolve().name}
        for source, text in places.items():
            if name := _hiding(text):
                sentences = {task.instruction for task in load_manifest().values() if task.hidden_goal}
                hiding = {e for e, task in data.task_names.items() if _hiding(task) or task in sentences}
                return name, source, hiding or None
        raise Skip("no task that hides its goal is named" if not declared else f"{declared[0]} hides no goal")

    @staticmethod
    def _spread(context: Context, hiding: set[int] | None) -> float | None:
        try:
            _, found = tracks(context)
        except (Skip, Unavailable):
            return None
        ends = [track.position[-1] for track in found if hiding is None or track.episode in hiding]
        return float(np.linalg.norm(np.std(ends, axis=0))) if len(ends) > 1 else None


def _hiding(text: str) -> str:
    """Return the task that hides its goal whose name is in a text, however it is written; "" where there is none."""
    for name in HIDING:
        if re.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "[ _-]?", name), text, re.IGNORECASE):
            return name
    return ""


def green_share(picture: Array) -> float:
    """Return the share of vivid green pixels of a picture (H, W, 3): ManiSkill's goal markers are (0, 1, 0)."""
    red, green, blue = picture.reshape(-1, 3).astype(np.int16).T
    return float(((green > 110) & (red < 90) & (blue < 90)).mean())
