"""The record that a person's claims make of a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mstool import __version__
from mstool.contract import ControllerFacts, Goal
from mstool.dataset.column_names import ACTION_COLUMNS, STATE_COLUMNS
from mstool.dataset.info import Info
from mstool.dataset.record import Record
from mstool.errors import UsageError
from mstool.layouts import Layout, get_layout
from mstool.manifest import find_task
from mstool.validators.targets.maniskill import MANISKILL


@dataclass(frozen=True)
class Claims:
    """What is said; what is left out follows from the layout."""

    layout: str
    control_mode: str | None = None
    env_id: str | None = None
    # The simulator's name of the robot.
    robot: str = "panda"
    # {camera column: view}.
    views: Mapping[str, str] = field(default_factory=dict)
    goal: Goal = "visible"


def claimed_record(root: Path, info: Info, claims: Claims, longest: int) -> Record:
    """Return the record that claims make of a dataset whose longest episode has `longest` frames.

    Raises
    ------
    UsageError
        The layout says nothing that could be tested, or has no such control mode; a camera has no view.

    """
    layout = get_layout(claims.layout)
    if layout.state_kind is None or layout.robot is None:
        raise UsageError(
            f"layout {layout.name!r} says nothing of single dimensions that the data could be asked",
            fix="a dataset of another robot needs no record: export, merge, stats and finetune take it as it is",
        )
    mode = claims.control_mode or layout.control_modes[0]
    layout.check_control_mode(mode)
    task = find_task(claims.env_id) if claims.env_id else None
    env_ids = [claims.env_id] if claims.env_id else []
    fps = float(MANISKILL.fps.value or info.fps) if claims.env_id else float(info.fps)
    return Record(
        version=__version__,
        layout=layout.name,
        conventions=layout.conventions,
        units=_units(root, info, layout, mode),
        control_mode=mode,
        controller=ControllerFacts(int(fps), **layout.robot.controllers[mode]).as_dict(),
        robot=claims.robot,
        robots=dict.fromkeys(env_ids, claims.robot),
        robot_uids=claims.robot,
        env_ids=env_ids,
        goal=claims.goal,
        views=_views(root, info, layout, claims.views),
        image_size=_image_size(root, info),
        horizon=dict.fromkeys(env_ids, longest),
        gripper_constant=dict.fromkeys(env_ids, task is not None and task.gripper_constant),
        # Until the data have spoken.
        stated={"layout": "not tested"},
    )


def _units(root: Path, info: Info, layout: Layout, mode: str) -> dict[str, list[str]]:
    states = next((names for names in STATE_COLUMNS if all(name in info.features for name in names)), ())
    actions = next((names for names in ACTION_COLUMNS if all(name in info.features for name in names)), ())
    if not states or not actions:
        raise UsageError(
            f"{root} has no columns of a state and actions under names that are known "
            f"({', '.join('+'.join(names) for names in (*STATE_COLUMNS, *ACTION_COLUMNS))})",
            fix=f"mstool export {root} --rename OLD=observation.state --rename OLD=action --output {root}-renamed",
        )
    parts = dict(layout.openpi_state) if len(states) > 1 else {states[0]: slice(None)}
    units = {name: list(layout.state.units[parts.get(name, slice(None))]) for name in states}
    return units | {actions[0]: list(layout.action(mode).units)}


def _views(root: Path, info: Info, layout: Layout, given: Mapping[str, str]) -> dict[str, str]:
    cameras = [name for name, feature in info.features.items() if feature.is_camera]
    known = [camera.view for camera in layout.cameras]
    for column, view in given.items():
        if column not in cameras or view not in known:
            what = f"no camera {column!r}" if column not in cameras else f"no view {view!r}"
            raise UsageError(
                f"--view {column}={view}: there is {what} (cameras: {', '.join(cameras) or 'none'}; "
                f"views: {', '.join(known)})",
                fix=f"--view {(cameras or ['COLUMN'])[0]}={known[0]}",
            )
    usual = {name: camera.view for camera in layout.cameras for name in (camera.lerobot, camera.openpi)}
    views = {name: given.get(name) or usual.get(name, "") for name in cameras}
    nameless = [name for name, view in views.items() if not view]
    if nameless or len(set(views.values())) < len(views):
        twice = sorted({view for view in views.values() if view and list(views.values()).count(view) > 1})
        raise UsageError(
            f"{root}: " + (f"which view is {', '.join(nameless)}?" if nameless else f"two cameras are {twice[0]}"),
            fix=" ".join(
                f"--view {name}={view}" for name, view in zip(cameras, _cycled(known, len(cameras)), strict=True)
            ),
        )
    return views


def _cycled(names: Sequence[str], number: int) -> list[str]:
    return [names[min(i, len(names) - 1)] for i in range(number)]


def _image_size(root: Path, info: Info) -> list[int]:
    sizes = {name: feature.shape[:2] for name, feature in info.features.items() if feature.is_camera}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {height}x{width}" for name, (height, width) in sizes.items())
        raise UsageError(
            f"{root}: cameras of several sizes ({told}): a record knows one",
            fix=f"mstool export {root} --drop {list(sizes)[-1]} --output {root}-less  (or another camera)",
        )
    return list(next(iter(sizes.values()), ()))
