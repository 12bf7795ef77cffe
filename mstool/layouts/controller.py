"""What executes a layout's commands: a simulator's own signs, scales and limits, behind one face."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from mstool.contract import Array, ControllerFacts
from mstool.layouts.command import Command, Units
from mstool.layouts.facts import ActionKind


@dataclass(frozen=True)
class Controller(ABC):
    """One simulator's controllers; each simulator has a subclass in its own folder."""

    # What one unit of each action dimension does.
    facts: ControllerFacts

    @property
    def units(self) -> Units:
        """The units in which these controllers take a command."""
        return Units(self.facts.fps, self.facts.position_m, self.facts.joint_rad)

    @abstractmethod
    def command(self, actions: Array, kind: ActionKind) -> Command:
        """Say what a controller does on actions (T, A), clipped as it clips them."""

    @abstractmethod
    def actions(self, command: Command) -> Array:
        """Return the actions (T, A), float32, on which a controller does what `command`, in its units, says."""
