"""Robots that more is known of than ManiSkill says. Adding one is one file and its name in `ROBOTS`.

A robot that is not here converts with the layout for any robot, and is checked for what needs no knowledge of it.

=========  ============================================================
base       `Robot`: what can be known of one
panda      the Franka Panda
so100      the SO-100
koch       the Koch v1.1
=========  ============================================================
"""

from mstool.robots.base import HandCamera, Link, Robot
from mstool.robots.koch import KOCH
from mstool.robots.panda import PANDA
from mstool.robots.so100 import SO100

# The first is taken for the robot of joint states that nothing names a robot of.
ROBOTS: tuple[Robot, ...] = (PANDA, SO100, KOCH)
DEFAULT_ROBOT = ROBOTS[0]

__all__ = ["DEFAULT_ROBOT", "KOCH", "PANDA", "ROBOTS", "SO100", "HandCamera", "Link", "Robot", "find_robot"]


def find_robot(name: str) -> Robot | None:
    """Return the robot that a dataset or a simulator calls `name`; None for one that is not known."""
    return next((robot for robot in ROBOTS if any(word in name.lower() for word in robot.words)), None)
