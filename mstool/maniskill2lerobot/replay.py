"""Execute a demo in the target control mode and hand out every frame as it happens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mstool.contract import Array, ControllerFacts, RobotFacts, RobotTrack
from mstool.maniskill2lerobot.demos.reader import Demo
from mstool.simulation.action_conversion import conversion
from mstool.simulation.environment import Simulator

TIMEOUT = "timeout"
NOT_SUCCESSFUL = "not successful"

type FrameSink = Callable[[dict[str, Array]], None]


@dataclass(frozen=True)
class Replay:
    """What an episode turned out to be.

    `actions` is (T, A) in the simulator's control mode; `goal` is (3,) m or None; `failure` is empty when the task was
    solved within the horizon, else the reason for which the episode must be dropped.
    """

    track: RobotTrack
    actions: Array
    goal: Array | None
    failure: str
    # What could not be verified.
    warnings: tuple[str, ...] = ()


class EpisodeSource(Protocol):
    """Where an episode's observations come from: a simulator that replays it, or the demo file itself."""

    @property
    def robot(self) -> str:
        """ManiSkill's name of the robot."""

    @property
    def rendered_on(self) -> str:
        """What makes the pictures: `gpu`, `cpu`, or empty when they are made already."""

    def robot_facts(self) -> RobotFacts:
        """Return what the robot's numbers are called."""

    def controller_facts(self) -> ControllerFacts:
        """Return what one unit of each action dimension does."""

    def play(self, demo: Demo, *, horizon: int, on_frame: FrameSink) -> Replay:
        """Go through the episode, handing out pictures one frame at a time."""


@dataclass(frozen=True)
class Replayer:
    """Replay in a simulator."""

    simulator: Simulator

    @property
    def robot(self) -> str:
        """ManiSkill's name of the robot."""
        return self.simulator.robot

    @property
    def rendered_on(self) -> str:
        """What SAPIEN renders on."""
        return self.simulator.rendered_on

    def robot_facts(self) -> RobotFacts:
        """Ask the simulated robot."""
        return self.simulator.robot_facts()

    def controller_facts(self) -> ControllerFacts:
        """Ask the simulated controller."""
        return self.simulator.controller_facts()

    def play(self, demo: Demo, *, horizon: int, on_frame: FrameSink) -> Replay:
        """Replay and render."""
        return replay(self.simulator, demo, horizon=horizon, on_frame=on_frame)


def replay(simulator: Simulator, demo: Demo, *, horizon: int, on_frame: FrameSink | None = None) -> Replay:
    """Replay `demo` in `simulator`, whose control mode may differ from the demo's.

    The observation of frame t (robot reading and pictures) is taken from the environment that then executes action t.
    Pictures go to `on_frame` one frame at a time, so memory does not grow with the episode.

    Raises
    ------
    UsageError
        The demo's control mode cannot be converted to the simulator's.

    """
    convert = conversion(demo.control_mode, simulator.spec.control_mode)
    simulator.reset(demo.seed, demo.reset_options, demo.first_state)
    goal = simulator.goal_position()
    qpos: list[Array] = []
    tcp: list[Array] = []
    executed: list[Array] = []
    success = False
    for action in convert(simulator.agent, demo.actions):
        if len(executed) == horizon:
            return Replay(_track(qpos, tcp), np.stack(executed), goal, TIMEOUT)
        reading = simulator.reading()
        qpos.append(reading.qpos)
        tcp.append(reading.tcp_pose)
        if on_frame is not None:
            simulator.start_pictures()
        # Physics and the controller's inverse kinematics run while the renderer is at work.
        success = simulator.step(action)
        if on_frame is not None:
            on_frame(simulator.finish_pictures())
        executed.append(action)
    failure = "" if success or not simulator.judges else NOT_SUCCESSFUL
    warnings = () if simulator.judges else ("the environment does not say when its task is solved: kept unjudged",)
    return Replay(_track(qpos, tcp), np.stack(executed), goal, failure, warnings)


def _track(qpos: list[Array], tcp: list[Array]) -> RobotTrack:
    return RobotTrack(qpos=np.stack(qpos), tcp_pose=np.stack(tcp))
