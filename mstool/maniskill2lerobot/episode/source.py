"""What an episode's source is, a simulator that replays it or the demo file itself, and what it hands out."""

from dataclasses import dataclass
from typing import Protocol

from mstool.contract import Array, CameraFacts, ControllerFacts, RobotFacts, RobotTrack
from mstool.simulators.demos import Demo
from mstool.simulators.film import FrameSink

# Why an episode is dropped.
TIMEOUT = "timeout"
NOT_SUCCESSFUL = "not successful"
NOT_HELD = "solved where the demo ends, but no longer after --hold-steps"

# What is said of one that did not solve its task and is kept because that was asked for.
KEPT_FAILURE = "did not solve the task: kept, as --keep-failures asks, and marked `solved: false`"

# What is said of one that begins where its planner was disturbed to, or took over from a policy.
DISTURBED = (
    "begins where a disturbance or a policy had come to, and leads on: from its seed, its actions do not solve the task"
)
# What is said of one whose pauses were left out; its steps before and after are in the episode log.
IDLE_LEFT_OUT = "steps that asked for nothing were left out: --keep-noops keeps them"


@dataclass(frozen=True)
class Replay:
    """What an episode turned out to be.

    `actions` is (T, D) float32 as the layout stores them; `goal` is (3,) m or None; `dropped` is empty when the task
    was solved within the horizon, else the reason for which the episode must be dropped.
    """

    track: RobotTrack
    actions: Array
    goal: Array | None
    dropped: str
    # What could not be verified.
    warnings: tuple[str, ...] = ()
    # Why a GPU rendered its pictures one after the other; empty where it did not.
    one_by_one: str = ""


class EpisodeSource(Protocol):
    """Where an episode's observations come from: a simulator that replays it, or the demo file itself."""

    @property
    def robot(self) -> str:
        """The simulator's name of the robot."""

    @property
    def rendered_on(self) -> str:
        """What makes the pictures: `gpu`, `cpu`, or empty when they are made already."""

    def robot_facts(self) -> RobotFacts:
        """Return what the robot's numbers are called."""

    def controller_facts(self) -> ControllerFacts:
        """Return what one unit of each action dimension does."""

    def camera_facts(self) -> dict[str, CameraFacts]:
        """Return where each view's camera was, once played; nothing where that is not known."""

    def play(self, demo: Demo, *, horizon: int, on_frame: FrameSink) -> Replay:
        """Go through the episode, handing out pictures one frame at a time."""
