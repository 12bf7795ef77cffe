"""What can be known of a robot beside what its simulator says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Link:
    """One row of Denavit-Hartenberg parameters in Craig's convention: a and d in m, alpha in rad."""

    a: float
    d: float
    alpha: float


@dataclass(frozen=True)
class HandCamera:
    """Where a wrist view is taken from: a link, and the camera's pose in that link's frame."""

    link: str
    # (3,) m.
    position: tuple[float, float, float]
    # wxyz.
    quaternion: tuple[float, float, float, float]
    # Vertical field of view, rad.
    fov: float


@dataclass(frozen=True)
class Robot:
    """One kind of robot; each field says where its value was read."""

    name: str
    # The same with its article and its build, for sentences.
    described: str
    # Lower-case words, one of which is in every name that simulators and datasets give it.
    words: tuple[str, ...]
    # Where a wrist view is taken; None: from the robot's own camera.
    hand_camera: HandCamera | None = None
    # Environment: the module of ManiSkill's that solves it with this robot by planning.
    solutions: Mapping[str, str] = field(default_factory=dict)
    # ManiSkill's names of the builds that these move.
    solved_as: tuple[str, ...] = ()
    # What follows is there for robots that a layout is made for, all of it or nothing.
    # Names of the arm's joints in layouts, and their limits, rad.
    joints: tuple[str, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    # Names of the finger joints, which follow the arm's in qpos; each is 0 closed and this far open, m.
    fingers: tuple[str, ...] = ()
    finger_open_m: float = 0.0
    # The arm's links from the base, one per joint; then a turn, rad, and a way, m, along the last axis to the hand's
    # link and on to the tool centre point.
    links: tuple[Link, ...] = ()
    tool_turn: float = 0.0
    hand_m: float = 0.0
    tool_beyond_hand_m: float = 0.0
    # Control mode: fields of `ControllerFacts`, what 1.0 of an action does where no simulator can be asked.
    controllers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    # The share of a commanded step that these controllers reach within the step.
    gain: float = 1.0
    # {metres per 1.0 of another simulator's end effector steps: its gain}.
    gains_elsewhere: Mapping[float, float] = field(default_factory=dict)
    # Where `solutions` begin: the tool centre point (3,) m in the world.
    start_m: tuple[float, float, float] | None = None

    @property
    def tool_m(self) -> float:
        """The way along the last axis to the tool centre point, m."""
        return self.hand_m + self.tool_beyond_hand_m

    @property
    def qpos_names(self) -> tuple[str, ...]:
        """Names in the order of qpos: arm, fingers."""
        return (*self.joints, *self.fingers)

    @property
    def qpos_units(self) -> tuple[str, ...]:
        """Units in the order of qpos."""
        return (*("rad",) * len(self.joints), *("m",) * len(self.fingers))

    def gain_in(self, control_mode: str, controller: Mapping[str, float] | None = None) -> float | None:
        """Return the share of a commanded step that is reached within it; None where it is not known.

        `controller` is a dataset's record of what executed its actions: another simulator's scale is another gain.
        """
        known = self.controllers.get(control_mode)
        if known is None:
            return None
        scale = (controller or {}).get("position_m")
        if scale is None or math.isclose(scale, known.get("position_m", 0.0), rel_tol=1e-6):
            return self.gain
        return self.gains_elsewhere.get(scale)
