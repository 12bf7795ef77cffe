"""What one step asks of a robot, free of any simulator's signs and scales: what goes between a controller and a layout.

A simulator says what its actions are as a `Command`, a layout stores that, and gives it back in the simulator's units.
Each simulator has a `mstool.layouts.controller.Controller` of its own, and needs nothing else.
"""

from dataclasses import dataclass

from mstool.contract import Array


@dataclass(frozen=True)
class Units:
    """What the numbers of a command are; the defaults are SI.

    A scale is taken along instead of being multiplied in, so that numbers go from one unit to another by one factor,
    and come back to the bit.
    """

    # Steps per second.
    fps: float
    # Metres per 1.0 of `Command.position`.
    position_m: float = 1.0
    # Radians per 1.0 of `Command.joints`, where these are steps.
    joint_rad: float = 1.0


@dataclass(frozen=True)
class Command:
    """T steps, float64. Either the end effector's fields are there or the joints'."""

    units: Units
    # (T, 1): +1 fully open .. -1 fully closed.
    gripper: Array
    # The way to go (T, 3), base frame, and the rotation vector of the turn (T, 3), rad about the base frame's axes.
    position: Array | None = None
    turn: Array | None = None
    # (T, J): the way to go for each joint, or in control by position where it should be, rad.
    joints: Array | None = None
