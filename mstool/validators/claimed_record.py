"""The record that a person's claims make of a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from mstool import __version__
from mstool.contract import ControllerFacts, Goal, RobotFacts
from mstool.dataset.column_names import ACTION_COLUMNS, STATE_COLUMNS
from mstool.dataset.info import Info
from mstool.dataset.record import Record
from mstool.errors import DataError, UsageError
from mstool.layouts import Layout, get_layout
from mstool.manifest import find_task
from mstool.paths import quoted
from mstool.validators.targets.maniskill import MANISKILL

# The sentence of `Claims.envs` that stands for all of them.
ALL = ""


@dataclass(frozen=True)
class Simulated:
    """What the simulator says of the robot in an environment and control mode: what layout `native` is made of."""

    robot: str
    facts: RobotFacts
    controller: ControllerFacts


@dataclass(frozen=True)
class Claims:
    """What is said; what is left out follows from the layout."""

    layout: str
    control_mode: str | None = None
    # {sentence: environment} of the episodes with it; `ALL` for every sentence.
    envs: Mapping[str, str] = field(default_factory=dict)
    # The simulator's name of the robot; None: the layout's, or the environment's own.
    robot: str | None = None
    # {camera column: view}.
    views: Mapping[str, str] = field(default_factory=dict)
    goal: Goal = "visible"
    # Of layout `native`.
    simulated: Simulated | None = None

    @property
    def env_ids(self) -> list[str]:
        """The environments, each once."""
        return list(dict.fromkeys(self.envs.values()))

    def env_of(self, sentence: str) -> str | None:
        """Return the environment of an episode; None where nobody says one."""
        return self.envs.get(sentence) or self.envs.get(ALL)


def claimed_record(root: Path, info: Info, claims: Claims, longest: Mapping[str, int]) -> Record:
    """Return the record that claims make of a dataset whose longest episodes have so many frames, by environment.

    Raises
    ------
    UsageError
        The layout says nothing that could be tested, or has no such control mode; a camera has no view.
    DataError
        State or actions are not as wide as the robot's.

    """
    layout = get_layout(claims.layout)
    env_ids = claims.env_ids
    if claims.simulated is not None:
        layout = layout.bound(claims.simulated.facts)
    elif layout.robot is None:
        raise UsageError(
            f"layout {layout.name!r} is the robot's own joints and actions: which environment, which control mode "
            "(mstool envs)? Export, merge, stats and finetune take a dataset without a record as it is",
            fix=f"mstool describe {quoted(root)} --layout {layout.name} --env ENV --control-mode MODE",
        )
    mode = claims.control_mode or next(iter(layout.control_modes), "")
    layout.check_control_mode(mode)
    fps = float(MANISKILL.fps.value or info.fps) if env_ids else float(info.fps)
    known = claims.simulated
    robot = known.robot if known else claims.robot or "panda"
    units = _units(root, info, layout, mode)
    if known is not None:
        controller = known.controller
        _check_widths(root, info, units, known, mode)
    else:
        assert layout.robot is not None
        controller = ControllerFacts(int(fps), **layout.robot.controllers[mode])
    tasks = {env_id: find_task(env_id) for env_id in env_ids}
    return Record(
        version=__version__,
        layout=layout.name,
        conventions=layout.conventions,
        units=units,
        control_mode=mode,
        controller=controller.as_dict(),
        robot=robot,
        robots=dict.fromkeys(env_ids, robot),
        robot_uids=claims.robot if known else robot,
        env_ids=env_ids,
        goal=claims.goal,
        views=_views(root, info, layout, claims.views),
        image_size=_image_size(root, info),
        horizon={env_id: longest.get(env_id, 0) for env_id in env_ids},
        gripper_constant={env_id: task is not None and task.gripper_constant for env_id, task in tasks.items()},
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
            fix=f"mstool export {quoted(root)} --rename OLD=observation.state --rename OLD=action "
            f"--output {quoted(f'{root}-renamed')}",
        )
    parts = dict(layout.openpi_state) if len(states) > 1 else {states[0]: slice(None)}
    units = {name: list(layout.state.units[parts.get(name, slice(None))]) for name in states}
    return units | {actions[0]: list(layout.action(mode).units)}


def _check_widths(root: Path, info: Info, units: Mapping[str, list[str]], known: Simulated, mode: str) -> None:
    wrong = [
        f"{column} has {prod(info.features[column].shape)} numbers, {known.robot} in {mode} has {len(expected)}"
        for column, expected in units.items()
        if prod(info.features[column].shape) != len(expected)
    ]
    if known.controller.fps != info.fps:
        wrong.append(f"{info.fps:g} fps, the environment is controlled at {known.controller.fps} Hz")
    if wrong:
        raise DataError(
            f"the data of {root} contradict what is said of them:\n  " + "\n  ".join(wrong),
            fix="name the environment, --robot and --control-mode that it was recorded with (mstool envs lists them)",
        )


def _views(root: Path, info: Info, layout: Layout, given: Mapping[str, str]) -> dict[str, str]:
    cameras = [name for name, feature in info.features.items() if feature.is_camera]
    known = [camera.view for camera in layout.cameras]
    for column, view in given.items():
        if column not in cameras or layout.camera(view) is None:
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
            f"{root}: cameras of several sizes ({told}): a record knows one; leave all but one size out",
            fix=f"mstool export {quoted(root)} --drop {list(sizes)[-1]} --output {quoted(f'{root}-less')}",
        )
    return list(next(iter(sizes.values()), ()))
