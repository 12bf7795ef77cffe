"""Turn a demo's actions into another control mode while an environment executes them, as ManiSkill's replay does.

ManiSkill steps a second environment to learn the source controller's targets. For `pd_joint_pos` the target *is* the
action, so its forward kinematics are enough: one environment, the same actions (a test compares the two bit for bit).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.errors import DataError, UsageError
from mstool.simulators.maniskill.robots import action_size, control_mode

# ManiSkill tries up to this many target steps for one source action whose conversion had to be clipped.
MAX_EE_STEPS = 4
MAX_JOINT_STEPS = 2

type Converter = Callable[[Any, Array], Iterator[Array]]


def conversion(source: str, target: str) -> Converter:
    """Return a function of (agent, source actions) that yields target actions one by one.

    Each yielded action must have been executed before the next one is asked for: it depends on where the robot is.

    Raises
    ------
    UsageError
        There is no way from `source` to `target`.

    """
    if source == target:
        return _identity
    if target not in _CONVERSIONS.get(source, {}):
        raise UsageError(
            f"demos in control mode {source!r} cannot be converted to {target!r}: ManiSkill has no such conversion",
            fix=f"use --control-mode {source} with a layout that allows it (mstool layouts)",
        )
    convert = _CONVERSIONS[source][target]

    def checked(agent: Any, actions: Array) -> Iterator[Array]:
        # Every source mode above is one value per arm joint and one for the gripper.
        _check_width(actions, len(agent.arm_joint_names) + 1, source)
        yield from convert(agent, actions)

    return checked


def _check_width(actions: Array, expected: int, control_mode: str) -> None:
    if actions.shape[1] != expected:
        raise DataError(
            f"the demo's actions are {actions.shape[1]} wide, control mode {control_mode!r} takes {expected}: "
            "the .json names another control mode or robot than the one that was recorded",
            fix="correct control_mode and robot_uids in the demos' .json, or convert other demos: add --demos generate",
        )


def _identity(agent: Any, actions: Array) -> Iterator[Array]:
    _check_width(actions, action_size(agent), control_mode(agent))
    yield from actions


def _joint_pos_to_ee_delta(agent: Any, actions: Array) -> Iterator[Array]:
    import sapien
    from mani_skill.trajectory.utils.actions.conversion import delta_pose_to_pd_ee_delta

    arm = agent.controller.controllers["arm"]
    pos_only = arm.config.frame == "root_translation"
    model = agent.robot.create_pinocchio_model()
    base = agent.robot.pose.sp
    for source in actions:
        qpos = agent.robot.get_qpos()[0].numpy().copy()
        qpos[arm.active_joint_indices.numpy()] = source[:-1]
        model.compute_forward_kinematics(qpos)
        goal = base * model.get_link_pose(arm.ee_link.index)
        clipped = False
        for _ in range(MAX_EE_STEPS):
            here = arm.ee_link.pose.sp
            # ManiSkill's sign: from the goal to the hand. Its controller turns by -0.1 per unit, which undoes it.
            delta = sapien.Pose(goal.p - here.p, (here * goal.inv()).q)
            move = delta_pose_to_pd_ee_delta(arm, delta, pos_only=pos_only)
            # Once cut off, ManiSkill uses up all its steps, even when one in between would have been enough.
            clipped = _clip_ee(move, pos_only=pos_only) or clipped
            yield np.concatenate([move, source[-1:]]).astype(np.float32)
            if not clipped:
                break


def _clip_ee(move: Array, *, pos_only: bool) -> bool:
    """Clip in place, position by value and rotation by norm; True when something was cut off."""
    clipped = bool(np.abs(move[:3]).max() > 1)
    move[:3] = np.clip(move[:3], -1, 1)
    norm = 0.0 if pos_only else float(np.linalg.norm(move[3:]))
    if norm > 1:
        move[3:] /= norm
        clipped = True
    return clipped


def _joint_pos_to_joint_delta(agent: Any, actions: Array) -> Iterator[Array]:
    from mani_skill.trajectory.utils.actions.conversion import qpos_to_pd_joint_delta_pos

    arm = agent.controller.controllers["arm"]
    for source in actions:
        clipped = False
        for _ in range(MAX_JOINT_STEPS):
            move = qpos_to_pd_joint_delta_pos(arm, source[:-1])
            clipped = bool(np.abs(move).max() > 1 + 1e-3) or clipped
            yield np.concatenate([np.clip(move, -1, 1), source[-1:]]).astype(np.float32)
            if not clipped:
                break


def _joint_delta_to_joint_pos(agent: Any, actions: Array) -> Iterator[Array]:
    arm = agent.controller.controllers["arm"]
    # The source controller's range: +-0.1 rad per step on the Panda (`arm_pd_joint_delta_pos`).
    source_arm = agent._controller_configs["pd_joint_delta_pos"]["arm"]
    middle, half = (source_arm.upper + source_arm.lower) / 2, (source_arm.upper - source_arm.lower) / 2
    for source in actions:
        qpos = arm.qpos[0].numpy()
        yield np.concatenate([qpos + middle + half * np.clip(source[:-1], -1, 1), source[-1:]]).astype(np.float32)


_CONVERSIONS: dict[str, dict[str, Converter]] = {
    "pd_joint_pos": {
        "pd_ee_delta_pose": _joint_pos_to_ee_delta,
        "pd_ee_delta_pos": _joint_pos_to_ee_delta,
        "pd_joint_delta_pos": _joint_pos_to_joint_delta,
    },
    "pd_joint_delta_pos": {"pd_joint_pos": _joint_delta_to_joint_pos},
}
