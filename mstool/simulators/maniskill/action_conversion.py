"""Turn a demo's actions into another control mode while an environment executes them, as ManiSkill's replay does.

ManiSkill steps a second environment to learn the source controller's targets. For `pd_joint_pos` the target *is* the
action, so its forward kinematics are enough: one environment, the same actions (a test compares the two bit for bit).
A demo in any other mode is first made one in `pd_joint_pos` (`joint_targets`).
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np

from mstool.contract import Array
from mstool.errors import DataError, UsageError
from mstool.simulators.maniskill.joint_targets import JOINT_POSITIONS, arm_of
from mstool.simulators.maniskill.robots import action_size, control_mode

# ManiSkill tries up to this many target steps for one source action whose conversion had to be clipped.
MAX_EE_STEPS = 4
MAX_JOINT_STEPS = 2

# Puts the scene where a demo was before one of its steps.
type Place = Callable[[int], None]
# Told of a step whose action was cut off at the end of the controller's range.
type Cut = Callable[[], object]
# From the joint positions (n,) rad where an arm is to go, to its actions on the way, each from where the robot is.
type Way = Callable[[Array], Iterator[Array]]


class Converter(Protocol):
    """Yields an agent's actions for those of a demo, one by one.

    Each must have been executed before the next one is asked for: it depends on where the robot is. Where `place` puts
    the scene somewhere before every step, nothing needs to be executed, and each step has one action, which may not
    reach as far as the demo's: `cut` is then told.
    """

    def __call__(
        self, agent: Any, actions: Array, place: Place | None = None, cut: Cut | None = None
    ) -> Iterator[Array]:
        """Convert a demo's actions (T, A)."""


def conversion(source: str, target: str) -> Converter:
    """Return what turns a demo's actions in `source` into ones in `target`.

    `source` is `target` itself or `pd_joint_pos`.

    Raises
    ------
    UsageError
        There is no way from `source` to `target`.

    """
    if source == target:
        return _identity
    if target not in _WAYS:
        raise UsageError(
            f"demos in control mode {source!r} cannot be converted to {target!r}, only to "
            f"{', '.join([JOINT_POSITIONS, *_WAYS])}",
            fix="choose one of these with --control-mode, or the demos' own with a layout that allows it "
            "(mstool layouts)",
        )

    def converted(agent: Any, actions: Array, place: Place | None = None, cut: Cut | None = None) -> Iterator[Array]:
        arm = arm_of(agent)
        joints = len(arm.joints)
        # The gripper's part, and what else there is, stays as it is.
        others = action_size(agent) - int(arm.single_action_space.shape[0])
        check_width(actions, joints + others, source)
        way = _WAYS[target](agent, arm)
        for step, action in enumerate(actions):
            if place is not None:
                place(step)
            moves = list(islice(way(action[:joints]), 2)) if place else way(action[:joints])
            if isinstance(moves, list) and moves[1:] and cut is not None:
                cut()  # ManiSkill would take another step
            for move in islice(moves, 1 if place else None):
                yield np.concatenate([move, action[joints:]]).astype(np.float32)

    return converted


def check_width(actions: Array, expected: int, control_mode: str) -> None:
    """Raise DataError unless actions (T, A) are as wide as the control mode takes them."""
    if actions.shape[1] != expected:
        raise DataError(
            f"the demo's actions are {actions.shape[1]} wide, control mode {control_mode!r} takes {expected}: "
            "the .json names another control mode or robot than the one that was recorded",
            fix="correct control_mode and robot_uids in the demos' .json, or convert other demos: add --demos generate",
        )


def _identity(agent: Any, actions: Array, place: Place | None = None, cut: Cut | None = None) -> Iterator[Array]:
    del cut  # it takes every action of its own mode
    check_width(actions, action_size(agent), control_mode(agent))
    for step, action in enumerate(actions):
        if place is not None:
            place(step)
        yield action


def _by_the_hand(agent: Any, arm: Any) -> Way:
    import sapien
    from mani_skill.trajectory.utils.actions.conversion import delta_pose_to_pd_ee_delta

    pos_only = arm.config.frame == "root_translation"
    model = agent.robot.create_pinocchio_model()
    base = agent.robot.pose.sp

    def way(target: Array) -> Iterator[Array]:
        qpos = agent.robot.get_qpos()[0].numpy().copy()
        qpos[arm.active_joint_indices.numpy()] = target
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
            yield move
            if not clipped:
                break

    return way


def _clip_ee(move: Array, *, pos_only: bool) -> bool:
    """Clip in place, position by value and rotation by norm; True when something was cut off."""
    clipped = bool(np.abs(move[:3]).max() > 1)
    move[:3] = np.clip(move[:3], -1, 1)
    norm = 0.0 if pos_only else float(np.linalg.norm(move[3:]))
    if norm > 1:
        move[3:] /= norm
        clipped = True
    return clipped


def _by_the_joints(agent: Any, arm: Any) -> Way:  # noqa: ARG001
    from mani_skill.trajectory.utils.actions.conversion import qpos_to_pd_joint_delta_pos

    def way(target: Array) -> Iterator[Array]:
        clipped = False
        for _ in range(MAX_JOINT_STEPS):
            move = qpos_to_pd_joint_delta_pos(arm, target)
            clipped = bool(np.abs(move).max() > 1 + 1e-3) or clipped
            yield np.clip(move, -1, 1)
            if not clipped:
                break

    return way


# {control mode: how an arm goes to joint positions in it}.
_WAYS: dict[str, Callable[[Any, Any], Way]] = {
    "pd_ee_delta_pose": _by_the_hand,
    "pd_ee_delta_pos": _by_the_hand,
    "pd_joint_delta_pos": _by_the_joints,
}
