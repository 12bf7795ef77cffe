"""The action with which a robot stays where its last one sent it: demos that go on after success (`--hold-steps`)."""

from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.errors import UsageError


def staying(agent: Any, action: Array) -> Array:
    """Return the action (A,) that keeps the targets which `action` set, in the agent's own control mode.

    Where an action is a target it is the same again; where it is a difference or a velocity it is zero.

    Raises
    ------
    UsageError
        One of the robot's controllers is of a kind of which that is not known.

    """
    controller = getattr(agent, "controller", None)
    parts = getattr(controller, "controllers", None) or {"": controller}
    mapping = getattr(controller, "action_mapping", {"": (0, len(action))})
    stays = np.array(action, np.float32)
    for name, part in parts.items():
        begin, end = mapping.get(name, (0, 0))
        stays[begin:end] = _staying(getattr(part, "config", None), stays[begin:end])
    return stays


def _staying(config: Any, action: Array) -> Array:
    from mani_skill.agents import controllers as kinds

    if isinstance(config, kinds.PassiveControllerConfig):
        return action
    if isinstance(config, kinds.PDJointVelControllerConfig):
        return np.zeros_like(action)
    if isinstance(config, kinds.PDJointPosControllerConfig | kinds.PDEEPosControllerConfig):
        target = np.zeros_like(action) if config.use_delta else action.copy()
        if isinstance(config, kinds.PDJointPosVelControllerConfig):
            target[len(target) // 2 :] = 0  # positions, then velocities
        return target
    raise UsageError(
        f"it is not known which action of {type(config).__name__} keeps a robot where it is",
        fix="leave --hold-steps out for demos of this robot",
    )
