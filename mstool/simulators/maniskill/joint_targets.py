"""Any demo of an arm as one in `pd_joint_pos`: where its own controller sends the joints, step by step.

The demo is executed in its own control mode, and the drives of the joints are asked what was set. So whatever a
controller does with an action, scaling, adding to an earlier target, inverse kinematics, is the controller's own work.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.errors import UsageError

# The control mode in which an action is where the arm's joints are to go.
JOINT_POSITIONS = "pd_joint_pos"
ARM = "arm"


def nowhere(step: int) -> None:
    """Leave the scene as it is."""


def arm_of(agent: Any) -> Any:
    """Return ManiSkill's controller of the agent's arm; UsageError where it has no single one."""
    arm = getattr(getattr(agent, "controller", None), "controllers", {}).get(ARM)
    if arm is None:
        raise UsageError(
            "this robot's demos can only be executed in their own control mode: ManiSkill knows no single arm of it",
            fix="leave out --control-mode, with --layout native",
        )
    return arm


def joint_positions(
    agent: Any, actions: Array, execute: Callable[[Array], object], place: Callable[[int], None] = nowhere
) -> Array:
    """Return a demo's actions (T, A) of the agent's control mode as actions (T, A') of `pd_joint_pos`, float32.

    Parameters
    ----------
    agent
        ManiSkill's agent in the demo's control mode, standing where the demo begins.
    actions
        The demo's.
    execute
        Called with every action: has the controller set it.
    place
        Called with the number of every step before that: puts the scene where the demo was.

    Raises
    ------
    UsageError
        The robot's `pd_joint_pos` differs from the control mode in more than the arm, or there is no arm.

    """
    arm = arm_of(agent)
    stiffness = _stiffness(agent, len(arm.joints))
    parts = {name: slice(*ends) for name, ends in agent.controller.action_mapping.items()}
    found = []
    for step, action in enumerate(actions):
        place(step)
        qpos = arm.qpos[0].numpy().astype(np.float64)
        execute(action)
        target = arm_target([joint._objs[0] for joint in arm.joints], stiffness, qpos)
        # The gripper and what else there is have the same controller in both modes: their part stays as it is.
        order = agent._controller_configs[JOINT_POSITIONS]
        found.append(np.concatenate([target if name == ARM else action[parts[name]] for name in order]))
    return np.stack(found).astype(np.float32)


def arm_target(drives: list[Any], stiffness: Array, qpos: Array) -> Array:
    """Return the joint positions (n,) rad, float64, that a position drive would be given for the same force.

    A drive's force is k (q_target - q) + d (v_target - v). For one of stiffness `stiffness` and the same damping to
    exert it, its target is (k q_target + (stiffness - k) q + d v_target) / stiffness: the drive's own target in
    position control, ahead of the joints in velocity control, where k is 0.

    Parameters
    ----------
    drives
        SAPIEN's joints, whose drives have been set.
    stiffness
        (n,) of the drives of `pd_joint_pos`.
    qpos
        (n,) rad, where the joints are.

    """
    k, d = np.array([drive.stiffness for drive in drives]), np.array([drive.damping for drive in drives])
    target = np.array([drive.drive_target[0] for drive in drives], np.float64)
    velocity = np.array([drive.drive_velocity_target[0] for drive in drives], np.float64)
    found: Array = (k * target + (stiffness - k) * qpos + d * velocity) / stiffness
    return found


def _stiffness(agent: Any, joints: int) -> Array:
    """Return the stiffness (n,) of the arm in `pd_joint_pos`, after checking that only the arm is controlled apart."""
    ours, theirs = agent.controller.configs, agent._controller_configs.get(JOINT_POSITIONS)
    if (
        not isinstance(theirs, dict)
        or ARM not in theirs
        or ours.keys() != theirs.keys()
        or any(ours[name] != theirs[name] for name in ours if name != ARM)
        or getattr(theirs[ARM], "normalize_action", False)
    ):
        raise UsageError(
            f"demos of {agent.uid!r} in control mode {agent.control_mode!r} cannot be converted: in "
            f"{JOINT_POSITIONS!r}, by way of which it is done, the robot is not moved alike but for its arm",
            fix=f"use --layout native --control-mode {agent.control_mode}",
        )
    return np.broadcast_to(np.asarray(theirs[ARM].stiffness, np.float64), joints)
