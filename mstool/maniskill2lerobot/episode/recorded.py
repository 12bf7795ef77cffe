"""Conversion without simulation: a ManiSkill demo file that already holds images and readings.

The one place of conversion that knows whose demos they are (`--observations recorded`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mstool.contract import CameraFacts, ControllerFacts, RobotFacts, RobotTrack
from mstool.errors import DataError, UsageError
from mstool.manifest import find_task
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.source import NOT_SUCCESSFUL, TIMEOUT, Replay
from mstool.robots import ROBOTS
from mstool.simulators.demos import Demo, Demos
from mstool.simulators.film import FrameSink
from mstool.simulators.maniskill.controller import ManiSkillController
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.demos.recording import Recording

# `SimConfig.control_freq` in ManiSkill 3.0.1's `mani_skill/utils/structs/types.py`.
DEFAULT_FPS = 20


@dataclass(frozen=True)
class RecordedSource:
    """One episode of a demo file as the source of its own observations."""

    demos: DemoFile
    position: int
    recipe: Recipe

    @property
    def robot(self) -> str:
        """The robot that the `.json` names; empty where it leaves the environment's default."""
        return str(self.demos.recorded_kwargs.get("robot_uids") or "")

    def robot_facts(self) -> RobotFacts:
        """Names of a known robot's joints, recognised by their number; numbers for any other robot."""
        with self.demos.open() as file:
            recording = Recording(file, self.demos.group_names[self.position])
            assert recording.qpos is not None
            joints = recording.qpos.shape[1]
        width = self.demos.read(self.position).actions.shape[1]
        robot = next((robot for robot in ROBOTS if len(robot.qpos_names) == joints), None)
        names = robot.qpos_names if robot else tuple(f"joint_{i}" for i in range(joints))
        units = robot.qpos_units if robot else ("rad or m",) * joints
        return RobotFacts(names, units, tuple(f"action_{i}" for i in range(width)), ("as recorded",) * width)

    @property
    def rendered_on(self) -> str:
        """Nothing is rendered."""
        return ""

    def controller_facts(self) -> ControllerFacts:
        """Return the known values of the layout's robot: there is no simulator to ask."""
        frequency = (self.demos.recorded_kwargs.get("sim_config") or {}).get("control_freq", DEFAULT_FPS)
        robot = self.recipe.layout.robot
        return ControllerFacts(
            fps=int(frequency), **(robot.controllers.get(self.recipe.control_mode, {}) if robot else {})
        )

    def camera_facts(self) -> dict[str, CameraFacts]:
        """Nothing: a recording's cameras are taken as they come."""
        return {}

    def play(self, demo: Demo, *, horizon: int, on_frame: FrameSink) -> Replay:
        """Hand out the recorded pictures; the last observation, which has no action, is dropped.

        Raises
        ------
        DataError
            Observations are missing, or this episode's pictures have another size than the first one's.

        """
        steps = len(demo.actions)
        with self.demos.open() as file:
            recording = Recording(file, self.demos.group_names[self.position])
            recording.check_length(steps)
            cameras = match_views(recording, tuple(camera.view for camera in self.recipe.cameras))
            for view, camera in cameras.items():
                if recording.cameras[camera] != self.recipe.image_size:
                    raise DataError(
                        f"{recording.name}: {view} images are {recording.cameras[camera]} pixels (height, width), "
                        f"the first episode's {self.recipe.image_size}"
                    )
            qpos, tcp, goal = recording.qpos, recording.tcp_pose, recording.goal
            assert qpos is not None
            dropped = TIMEOUT if steps > horizon else NOT_SUCCESSFUL if recording.success is False else ""
            if not dropped or (dropped == NOT_SUCCESSFUL and self.recipe.keep_failures):
                streams = {view: recording.frames(camera) for view, camera in cameras.items()}
                for _ in range(steps):
                    on_frame({view: next(stream) for view, stream in streams.items()})
        nowhere = np.full((steps, 7), np.nan, np.float32)
        layout, mode = self.recipe.layout, self.recipe.control_mode
        controller = ManiSkillController(self.controller_facts())
        stored = layout.encode_action(demo.actions, controller, mode)
        warnings = self._unverified(recording)
        if not np.array_equal(layout.decode_action(stored, controller, mode), demo.actions):
            warnings.append(
                "recorded, not simulated: the stored actions decode to the recorded ones, clipped as the controller "
                "clips them, up to rounding and not to the bit"
            )
        return Replay(
            track=RobotTrack(qpos[:steps], nowhere if tcp is None else tcp[:steps]),
            actions=stored,
            goal=None if goal is None else goal[0],
            dropped=dropped,
            warnings=tuple(warnings),
        )

    def _unverified(self, recording: Recording) -> list[str]:
        robot = self.recipe.layout.robot
        found = [
            f"recorded, not simulated: controller units and signs are ManiSkill 3.0.1's known {robot.name} values"
            if robot
            else "recorded, not simulated: names and units of joints and actions are not in the file"
        ]
        if "control_freq" not in (self.demos.recorded_kwargs.get("sim_config") or {}):
            found.append(f"the file does not say its control frequency: taken as ManiSkill's default, {DEFAULT_FPS} Hz")
        if recording.success is None:
            found.append("the file does not say whether the task was solved")
        if recording.tcp_pose is None:
            found.append("no tcp pose was recorded: nothing ties joint positions to the place of the hand")
        task = find_task(self.demos.env_id)
        if task is None:
            found.append("not a task of the manifest: whether a goal marker is hidden from the images is unknown")
        elif task.hidden_goal and self.recipe.goal != "state":
            found.append(f"ManiSkill hides {task.hidden_goal} from recorded images: a policy cannot see where to go")
        if self.recipe.image_size != self.recipe.layout.image_size:
            sizes = ["x".join(map(str, size)) for size in (self.recipe.image_size, self.recipe.layout.image_size)]
            found.append(f"images are {sizes[0]} as recorded (never resized), the layout's are {sizes[1]}")
        return found


def recorded_file(demos: Demos) -> DemoFile:
    """Return the demos as what they must be to hold observations; UsageError unless they are ManiSkill's."""
    if not isinstance(demos, DemoFile):
        raise UsageError(
            f"--observations recorded reads ManiSkill's demo files, and {demos.path} is none", fix="leave it out"
        )
    return demos


def fit_to_recording(recipe: Recipe, demos: DemoFile, *, control_mode: str | None, image_size: str | None) -> Recipe:
    """Complete a recipe by what the file's first episode holds; everything else about it is checked here.

    Raises
    ------
    UsageError
        The file cannot give what was asked for: another control mode or picture size, a view without a camera, an end
        effector pose or goal position that was not recorded.
    DataError
        The first episode holds no observations.

    """
    replayed = "leave out --observations recorded: the demo is then replayed"
    layout = recipe.layout
    if not layout.allows(demos.control_mode):
        raise UsageError(
            f"the recorded actions are in control mode {demos.control_mode!r}, in which layout {layout.name!r} "
            "has no meaning, and only a simulator can convert them",
            fix=f"{replayed}; or choose a --layout that allows {demos.control_mode} (mstool layouts)",
        )
    if control_mode not in {None, demos.control_mode}:
        raise UsageError(f"the recorded actions are in {demos.control_mode!r}, not in {control_mode!r}", fix=replayed)
    if image_size is not None:
        raise UsageError("recorded images are never resized: --image-size does not apply", fix="leave it out")
    with demos.open() as file:
        recording = Recording(file, demos.group_names[0])
        cameras = match_views(recording, tuple(camera.view for camera in recipe.cameras))
        sizes = {recording.cameras[camera] for camera in cameras.values()}
        if len(sizes) > 1:
            raise UsageError(f"the cameras {', '.join(cameras.values())} have different sizes: {sizes}", fix=replayed)
        if "video" in recipe.storages and any(length % 2 for size in sizes for length in size):
            raise UsageError(f"videos need even sizes, the images are {sizes}", fix="add --storage image")
        if recipe.goal == "state" and recording.goal is None:
            raise UsageError("--goal state: the file holds no goal position (obs/extra/goal_pos)", fix=replayed)
        if recording.tcp_pose is None and layout.needs_tcp:
            raise UsageError(
                f"layout {layout.name!r} needs the tcp pose, which the file does not hold (obs/extra/tcp_pose)",
                fix=f"{replayed}; or choose --layout joint",
            )
    task = find_task(recipe.env_id)
    hidden = recipe.goal == "visible" and task is not None and bool(task.hidden_goal)
    return replace(
        recipe, control_mode=demos.control_mode, image_size=sizes.pop(), goal="hidden" if hidden else recipe.goal
    )


def match_views(recording: Recording, views: tuple[str, ...]) -> dict[str, str]:
    """Find the camera of each view: the one of that name, a hand or wrist camera, else exterior ones by the alphabet.

    Raises
    ------
    UsageError
        A view has no camera; none is ever made up.

    """
    wrist = [name for name in recording.cameras if any(word in name.lower() for word in ("hand", "wrist"))]
    exterior = sorted(set(recording.cameras) - set(wrist), key=lambda name: (name != "base_camera", name))
    found: dict[str, Any] = dict(zip(("base", "base2"), exterior, strict=False)) | dict(
        zip(("wrist",), wrist, strict=False)
    )
    found = {name: name for name in recording.cameras} | found
    missing = [view for view in views if view not in found]
    if missing:
        raise UsageError(
            f"{recording.name} has no camera for {', '.join(missing)} (it has {', '.join(recording.cameras)})",
            fix=f"add --cameras {','.join(view for view in views if view in found) or 'base'}, "
            "or leave out --observations recorded",
        )
    return {view: found[view] for view in views}
