"""LIBERO's OSC_POSE: +-1 is 0.05 m and 0.5 rad about the base frame's axes; a gripper command above 0 closes."""

import numpy as np

from mstool.contract import Array
from mstool.layouts.command import Command
from mstool.layouts.controller import Controller
from mstool.layouts.facts import ActionKind


class LiberoController(Controller):
    """robosuite's `OperationalSpaceController` as LIBERO configures it; it turns by rotation vectors."""

    def command(self, actions: Array, kind: ActionKind) -> Command:  # noqa: ARG002
        """Say what the controller does on actions (T, 7), each dimension clipped to [-1, 1]."""
        clipped = np.clip(np.asarray(actions, np.float64), -1, 1)
        return Command(
            self.units, -clipped[:, 6:], position=clipped[:, :3], turn=clipped[:, 3:6] * self.facts.rotation_rad
        )

    def actions(self, command: Command) -> Array:
        """Return the actions (T, 7), float32, on which the controller does what `command` says."""
        assert command.position is not None
        assert command.turn is not None
        turn = command.turn / self.facts.rotation_rad
        return (np.concatenate([command.position, turn, -command.gripper], axis=1) + 0.0).astype(np.float32)
