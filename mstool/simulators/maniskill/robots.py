"""One robot or several: what they are called, where they stand, what their controllers do per unit of action.

A task with several robots has an agent of agents. Their joints and actions are put one after the other in sorted order
of ManiSkill's keys (`panda_wristcam-0`, `panda_wristcam-1`), and every name carries its robot's key.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mstool.contract import Array, ControllerFacts, RobotFacts, RobotReading

_EE = ("dx", "dy", "dz", "drx", "dry", "drz")
_PRISMATIC = "prismatic"


def robots(agent: Any) -> dict[str, Any]:
    """Return every robot of an agent by ManiSkill's key, sorted; a lone robot's key is its uid."""
    several = getattr(agent, "agents_dict", None)
    return dict(sorted(several.items())) if several else {str(agent.uid): agent}


def name_of(agent: Any) -> str:
    """Return ManiSkill's name of the robot; several are joined by `+`."""
    return "+".join(str(robot.uid) for robot in robots(agent).values())


def read_robot(agent: Any) -> RobotReading:
    """Read all joints, and the tool centre point where there is exactly one robot that has one (else NaN)."""
    every = list(robots(agent).values())
    qpos = np.concatenate([robot.robot.get_qpos()[0].numpy() for robot in every])
    pose = _tcp_pose(every[0]) if len(every) == 1 else None
    return RobotReading(qpos=qpos, tcp_pose=np.full(7, np.nan, np.float32) if pose is None else pose)


def is_holding(env: Any) -> bool:
    """Tell whether a robot has an object between its fingers; one that does not know what that is never has."""
    things = [actor for actor in env.scene.actors.values() if actor.px_body_type == "dynamic"]
    able = [robot for robot in robots(env.agent).values() if hasattr(robot, "is_grasping")]
    return any(bool(robot.is_grasping(thing).any()) for robot in able for thing in things)


def as_maniskill_action(agent: Any, action: Array) -> Array | dict[str, Array]:
    """Split an action (A,) among the robots as `env.step` wants it; a lone robot's stays as it is."""
    every = robots(agent)
    if len(every) == 1:
        return action
    parts: dict[str, Array] = {}
    start = 0
    for key, robot in every.items():
        width = robot.single_action_space.shape[0]
        parts[key] = action[start : start + width]
        start += width
    return parts


def action_size(agent: Any) -> int:
    """Width A of the action, over all robots."""
    return sum(int(robot.single_action_space.shape[0]) for robot in robots(agent).values())


def control_mode(agent: Any) -> str:
    """Return the control mode, which several robots share."""
    return str(next(iter(robots(agent).values())).control_mode)


def controller_facts(agent: Any, fps: int) -> ControllerFacts:
    """Ask the (first) robot's controller what one unit of each action dimension does."""
    import torch

    agent = next(iter(robots(agent).values()))
    facts: dict[str, float] = {}
    parts = getattr(agent.controller, "controllers", {})
    arm, gripper = parts.get("arm"), parts.get("gripper")
    if arm is not None and hasattr(arm, "_clip_and_scale_action") and getattr(arm, "_normalize_action", False):
        width = arm.single_action_space.shape[0]
        unit = torch.eye(width, device=agent.device)
        scaled = arm._clip_and_scale_action(unit).cpu().numpy().diagonal()
        if "ee" in agent.control_mode:
            facts["position_m"] = float(scaled[0])
            facts["rotation_rad"] = float(scaled[3]) if width > 3 else 0.0
        else:
            facts["joint_rad"] = float(scaled[0])
    if gripper is not None and hasattr(gripper.config, "lower"):
        facts["finger_closed_m"] = float(np.ravel(gripper.config.lower)[0])
        facts["finger_open_m"] = float(np.ravel(gripper.config.upper)[0])
    return ControllerFacts(fps=fps, **facts)


def robot_facts(agent: Any) -> RobotFacts:
    """Ask the robot for the names and units of its joints and of its action's dimensions."""
    joints: list[str] = []
    joint_units: list[str] = []
    actions: list[str] = []
    action_units: list[str] = []
    every = robots(agent)
    for key, robot in every.items():
        prefix = "" if len(every) == 1 else f"{key}."
        units = {joint.name: _unit(joint) for joint in robot.robot.active_joints}
        joints += [prefix + name for name in units]
        joint_units += units.values()
        for name, unit in _action_dimensions(robot.controller, units):
            actions.append(prefix + name)
            action_units.append(unit)
    return RobotFacts(tuple(joints), tuple(joint_units), tuple(actions), tuple(action_units))


def _tcp_pose(robot: Any) -> Array | None:
    # Most robots keep the link itself, some (SO100) only compute its pose.
    pose = robot.tcp.pose if getattr(robot, "tcp", None) is not None else getattr(robot, "tcp_pose", None)
    return None if pose is None else pose.raw_pose[0].numpy().copy()


def _unit(joint: Any) -> str:
    kind = joint.type[0] if isinstance(joint.type, list | tuple) else joint.type
    return "m" if kind == _PRISMATIC else "rad"


def _action_dimensions(controller: Any, joints: Mapping[str, str]) -> list[tuple[str, str]]:
    parts = getattr(controller, "controllers", None)
    if parts:
        return [each for name, part in parts.items() for each in _part_dimensions(name, part, joints)]
    return _part_dimensions("action", controller, joints)


def _part_dimensions(name: str, part: Any, joints: Mapping[str, str]) -> list[tuple[str, str]]:
    width = int(part.single_action_space.shape[0])
    own = [str(joint) for joint in part.config.joint_names]
    scaled = bool(getattr(part, "_normalize_action", False))
    if width == len(own):
        return [(joint, "1 = controller's range" if scaled else joints.get(joint, "")) for joint in own]
    names = [name] if width == 1 else list(_EE[:width]) if width in {3, 6} else [f"{name}_{i}" for i in range(width)]
    return [(each, "1 = controller's range" if scaled else "") for each in names]
