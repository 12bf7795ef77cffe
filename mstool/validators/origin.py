"""Whether a dataset shows that it was recorded in ManiSkill, whose control frequency is then known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mstool.layouts.recognise import recognise
from mstool.manifest import load_manifest
from mstool.validators.check import Context
from mstool.validators.report import Severity
from mstool.validators.targets.maniskill import MANISKILL

# Names that ManiSkill's own converter gives to any numbers: mani_skill 3.0.1, trajectory/convert_to_lerobot.py.
_STATE, _ACTION = "joint_{}", "action_{}"


@dataclass(frozen=True)
class Simulated:
    """That a dataset was recorded in a simulator: at how many Hz, what shows it, and how grave another fps is."""

    fps: float
    because: str
    severity: Severity


def simulated(context: Context) -> Simulated | None:
    """Return what shows that a dataset was recorded in ManiSkill; None where nothing does."""
    data, fps = context.data, float(MANISKILL.fps.value or 0)
    recorded = data.record.controller.get("fps")
    if recorded is not None:
        return Simulated(recorded, "the record says", "error")
    if data.record.env_ids:
        return Simulated(fps, f"the record names ManiSkill's {data.record.env_ids[0]}", "error")
    if env_id := _converted_by_maniskill(data.info):
        return Simulated(fps, f"ManiSkill's own converter wrote it, of {env_id}", "error")
    if named := recognise(data.features):
        # Whoever records a real robot may take over a layout's names.
        return Simulated(fps, f"the names are those that mstool convert gives in layout {named.layout.name}", "warning")
    return None


def _converted_by_maniskill(info: Mapping[str, Any]) -> str:
    """Return the environment that ManiSkill's own converter names as the robot; "" where it did not write this.

    It names the state's dimensions `joint_0`, ..., the actions' `action_0`, ..., declares the task as a column of text,
    and takes the environment's name for the robot's.
    """
    features = info.get("features")
    if not isinstance(features, dict) or not isinstance(features.get("task"), dict):
        return ""
    for column, name in (("observation.state", _STATE), ("action", _ACTION)):
        names = features[column].get("names") if isinstance(features.get(column), dict) else None
        if not isinstance(names, list) or names != [name.format(i) for i in range(len(names))]:
            return ""
    robot = str(info.get("robot_type"))
    return next((env_id for env_id in load_manifest() if env_id.split("-")[0].lower() == robot), "")
