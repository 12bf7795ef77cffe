"""The axes of an action that move the arm."""

from dataclasses import dataclass
from enum import StrEnum, auto

from mstool.validators.meanings import Meaning


class AxisKind(StrEnum):
    """What moves along an axis of an action; the value is the word for it."""

    POSITION = auto()
    ROTATION = auto()
    JOINT = auto()

    @property
    def unit(self) -> str:
        """What it is measured in."""
        return "m" if self is AxisKind.POSITION else "rad"


@dataclass(frozen=True)
class Axis:
    """One dimension of an action that moves the arm."""

    name: str
    kind: AxisKind

    @property
    def still(self) -> float:
        """It tells something from this much motion on (root mean square per step): m, rad."""
        return 2e-4 if self.kind is AxisKind.POSITION else 1e-3


_EE_AXES = (
    *(Axis(name, AxisKind.POSITION) for name in "xyz"),
    *(Axis(f"rotation {name}", AxisKind.ROTATION) for name in "xyz"),
)


def axes_of(meaning: Meaning) -> tuple[Axis, ...]:
    """Return the action's axes in the order of its dimensions, without the gripper."""
    if meaning.action == "ee_delta":
        return _EE_AXES
    return tuple(Axis(f"joint {i}", AxisKind.JOINT) for i in range(1, len(meaning.robot.joints) + 1))
