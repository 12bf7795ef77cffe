"""Turn a demo's actions into another control mode while an environment executes them, as ManiSkill's replay does.

ManiSkill steps a second environment to learn the source controller's targets. For `pd_joint_pos` the target *is* the
action, so its forward kinematics are enough: one environment, the same actions (a test compares the two bit for bit).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mstool.errors import UsageError

# ManiSkill tries up to this many target steps for one source action whose conversion had to be clipped.
MAX_EE_STEPS = 4
MAX_JOINT_STEPS = 2

type Converter = Callable[[Any, np.ndarray], Iterator[np.ndarray]]


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
    if source == "pd_joint_pos" and target in {"pd_ee_delta_pose", "pd_ee_delta_pos"}:
        return _joint_pos_to_ee_delta
    if source == "pd_joint_pos" and target == "pd_joint_delta_pos":
        return _joint_pos_to_joint_delta
    if source == "pd_joint_delta_pos" and target == "pd_joint_pos":
        return _joint_delta_to_joint_pos
    raise UsageError(
        f"demos recorded in control mode {source!r} cannot be converted to {target!r}: ManiSkill knows no such conversion",
        fix=f"use --control-mode {source} with a layout that allows it (mstool layouts)",
    )


def _identity(agent: Any, actions: np.ndarray) -> Iterator[np.ndarray]:  # noqa: ARG001
    yield from actions


def _joint_pos_to_ee_delta(agent: Any, actions: np.ndarray) -> Iterator[np.ndarray]:
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
        for _ in range(MAX_EE_STEPS):
            here = arm.ee_link.pose.sp
            # ManiSkill's sign: from the goal to the hand. Its controller turns by -0.1 per unit, which undoes it.
            delta = sapien.Pose(goal.p - here.p, (here * goal.inv()).q)
            move = delta_pose_to_pd_ee_delta(arm, delta, pos_only=pos_only)
            clipped = _clip_ee(move, pos_only=pos_only)
            yield np.concatenate([move, source[-1:]]).astype(np.float32)
            if not clipped:
                break


def _clip_ee(move: np.ndarray, *, pos_only: bool) -> bool:
    """Clip in place, position by value and rotation by norm; True when something was cut off."""
    clipped = bool(np.abs(move[:3]).max() > 1)
    move[:3] = np.clip(move[:3], -1, 1)
    norm = 0.0 if pos_only else float(np.linalg.norm(move[3:]))
    if norm > 1:
        move[3:] /= norm
        clipped = True
    return clipped


def _joint_pos_to_joint_delta(agent: Any, actions: np.ndarray) -> Iterator[np.ndarray]:
    from mani_skill.trajectory.utils.actions.conversion import qpos_to_pd_joint_delta_pos

    arm = agent.controller.controllers["arm"]
    for source in actions:
        for _ in range(MAX_JOINT_STEPS):
            move = qpos_to_pd_joint_delta_pos(arm, source[:-1])
            yield np.concatenate([np.clip(move, -1, 1), source[-1:]]).astype(np.float32)
            if np.abs(move).max() <= 1 + 1e-3:
                break


def _joint_delta_to_joint_pos(agent: Any, actions: np.ndarray) -> Iterator[np.ndarray]:
    arm = agent.controller.controllers["arm"]
    # The source controller's range: +-0.1 rad per step on the Panda (`arm_pd_joint_delta_pos`).
    source_arm = agent._controller_configs["pd_joint_delta_pos"]["arm"]  # noqa: SLF001
    middle, half = (source_arm.upper + source_arm.lower) / 2, (source_arm.upper - source_arm.lower) / 2
    for source in actions:
        qpos = arm.qpos[0].numpy()
        yield np.concatenate([qpos + middle + half * np.clip(source[:-1], -1, 1), source[-1:]]).astype(np.float32)
