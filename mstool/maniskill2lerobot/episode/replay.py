"""Execute a demo in the target control mode and hand out every frame as it happens."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mstool.contract import Array, CameraFacts, ControllerFacts, RobotFacts, RobotTrack
from mstool.layouts import Layout
from mstool.maniskill2lerobot.episode.source import DISTURBED, NOT_HELD, NOT_SUCCESSFUL, TIMEOUT, Replay
from mstool.simulators.base import Simulator
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.demos import Demo
from mstool.simulators.film import FrameSink

UNJUDGED = "the environment does not say when its task is solved: kept unjudged"
BEGUN_ELSEWHERE = "began in a state that its seed does not give here: from the seed, its actions may not solve the task"


@dataclass(frozen=True)
class Replayer:
    """Replay in a simulator, executing what the layout stores."""

    simulator: Simulator
    layout: Layout
    # Steps to stay where the demo ended.
    hold_steps: int = field(default=0, kw_only=True)

    @property
    def robot(self) -> str:
        """The simulator's name of the robot."""
        return self.simulator.robot

    @property
    def rendered_on(self) -> str:
        """What it renders on."""
        return self.simulator.rendered_on

    def robot_facts(self) -> RobotFacts:
        """Ask the simulated robot."""
        return self.simulator.robot_facts()

    def controller_facts(self) -> ControllerFacts:
        """Ask the simulated controller."""
        return self.simulator.controller_facts()

    def camera_facts(self) -> dict[str, CameraFacts]:
        """Ask the simulated cameras."""
        return self.simulator.camera_facts()

    def play(self, demo: Demo, *, horizon: int, on_frame: FrameSink) -> Replay:
        """Replay and render."""
        return replay(self.simulator, demo, self.layout, horizon=horizon, hold_steps=self.hold_steps, on_frame=on_frame)


def replay(
    simulator: Simulator,
    demo: Demo,
    layout: Layout,
    *,
    horizon: int,
    hold_steps: int = 0,
    on_frame: FrameSink | None = None,
) -> Replay:
    """Replay `demo` in `simulator`, whose control mode may differ from the demo's.

    The simulator executes what decodes from the action that is stored, never the action before it was encoded: whoever
    decodes the dataset executes the same numbers to the bit.

    The observation of frame t (robot reading and pictures) is taken from the environment that then executes action t.
    After the demo's last action the robot stays for `hold_steps`, and the task must still be solved then. `horizon` is
    the most steps without these.
    Pictures go to `on_frame` one frame at a time, so memory does not grow with the episode.

    Raises
    ------
    UsageError
        The demo's control mode cannot be converted to the simulator's.

    """
    mode = simulator.spec.control_mode
    simulator.reset(demo.seed, demo.reset_options, demo.first_state)
    controller = benchmark_of(demo.env_id).controller(simulator.controller_facts())
    goal = simulator.goal_position()
    qpos: list[Array] = []
    tcp: list[Array] = []
    actions: list[Array] = []
    film = simulator.film(on_frame) if on_frame is not None else None
    solved_by_demo = False
    for action, stayed in _then_staying(simulator, demo, hold_steps):
        if stayed == 1:
            solved_by_demo = simulator.solved()
        if len(actions) == horizon + hold_steps:
            return Replay(as_track(qpos, tcp), np.concatenate(actions), goal, TIMEOUT)
        reading = simulator.reading()
        qpos.append(reading.qpos)
        tcp.append(reading.tcp_pose)
        if film is not None:
            film.take()
        # The layout, physics and the controller's inverse kinematics run while the renderer is at work.
        stored = layout.encode_action(action[None], controller, mode)
        simulator.execute(layout.decode_action(stored, controller, mode)[0])
        actions.append(stored)
    if film is not None:
        film.finish()
    failed = NOT_HELD if solved_by_demo else NOT_SUCCESSFUL
    dropped = "" if simulator.solved() or not simulator.judges else failed
    doubts = {UNJUDGED: not simulator.judges, begun_elsewhere(demo): not simulator.begun_at_seed}
    warnings = tuple(text for text, holds in doubts.items() if holds)
    return Replay(
        as_track(qpos, tcp), np.concatenate(actions), goal, dropped, warnings, film.one_by_one if film else ""
    )


def _then_staying(simulator: Simulator, demo: Demo, steps: int) -> Iterator[tuple[Array, int]]:
    """Yield a demo's actions (A,) in the simulator's mode, with 0, then `steps` that stay, counted from 1.

    The demo's last target would do where the robot reaches it. Where something is in its way (PushCube, PullCube) the
    hand would press on for as long as the steps last.
    """
    for action in simulator.converted(demo.actions, demo.control_mode):
        yield action, 0
    for stayed in range(1, steps + 1):
        yield simulator.staying(action), stayed


def begun_elsewhere(demo: Demo) -> str:
    """Say why a demo did not begin where its seed does."""
    return DISTURBED if demo.disturbed else BEGUN_ELSEWHERE


def as_track(qpos: list[Array], tcp: list[Array]) -> RobotTrack:
    """Put the readings of single frames, (J,) and (7,), together."""
    return RobotTrack(qpos=np.stack(qpos), tcp_pose=np.stack(tcp))
