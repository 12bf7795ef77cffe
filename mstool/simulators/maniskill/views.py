"""Which views an environment offers: ours by one name everywhere, and its own cameras by theirs.

========================  ==========================================================================================
base                      the task's camera (one that stands still, if there is one); where it has none, the camera that
                          people watch it with; where that is missing too, one that the robot carries
base2                     the same, turned about the world's vertical axis; not where `base` moves
wrist                     on the hand, as `mstool.robots` says, or the robot's own hand camera
wrist_left, wrist_right   of two arms: the first and the second robot, in the order of states and actions
anything else             the environment's own camera of that name
========================  ==========================================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.errors import UsageError
from mstool.robots import ROBOTS, find_robot
from mstool.simulators.maniskill.robots import robots

# The second exterior view: the base camera's pose turned by this angle about the world's vertical axis.
BASE2_TURN_RAD = 0.7

_WRISTS = ("wrist_left", "wrist_right")
# What is in the name of a robot's own camera on a hand.
_ON_HAND = ("hand", "wrist")


@dataclass(frozen=True)
class View:
    """Where a picture is taken from."""

    # SAPIEN's pose, in the world or in the frame of `mount`, a link or an actor that moves.
    pose: Any
    mount: Any = None
    # Vertical field of view, rad; None where `intrinsic` says it.
    fov: float | None = None
    # (3, 3) px, for the picture's height 1 and width 1.
    intrinsic: Array | None = None
    near: float = 0.01
    far: float = 100.0

    def intrinsic_at(self, height: int, width: int) -> Array | None:
        """Return the intrinsic matrix (3, 3) of a picture of that size, px; None where the field of view says it."""
        return None if self.intrinsic is None else np.diag([width, height, 1.0]) @ self.intrinsic


def views_of(env: Any) -> dict[str, View]:
    """Return every view that a freshly built scene offers: base, base2, wrists, then its own cameras."""
    import sapien

    own = own_cameras(env)
    carried = [name for name in own if name in env._agent_sensor_configs]
    sensors = [name for name in env._sensor_configs if name not in carried]
    watching = [name for name in own if name not in env._sensor_configs]
    found: dict[str, View] = {}
    # One that stands still comes before one that follows something.
    for name in [
        name for group in (sensors, watching, carried) for name in sorted(group, key=lambda n: _moves(own[n]))
    ][:1]:
        found["base"] = own[name]
        if own[name].mount is None:
            turn = sapien.Pose(q=[np.cos(BASE2_TURN_RAD / 2), 0, 0, np.sin(BASE2_TURN_RAD / 2)])
            found["base2"] = replace(own[name], pose=turn * own[name].pose.sp)
    return {**found, **_wrists(env, own), **{name: view for name, view in own.items() if name not in found}}


def choose_views(env: Any, names: tuple[str, ...]) -> dict[str, View]:
    """Return the views of these names.

    Raises
    ------
    UsageError
        There is no such view here; those that there are are listed.

    """
    offered = views_of(env)
    unknown = [name for name in names if name not in offered]
    if unknown:
        every = list(robots(env.agent).values())
        why = f": it has {len(every)} robots" if "wrist" in unknown and len(every) > 1 else ""
        if "wrist" in unknown and len(every) == 1:
            why = f": nothing is known of a hand of the robot {env.agent.uid!r}"
        raise UsageError(
            f"{env.spec.id} has no view {', '.join(map(repr, unknown))}{why}",
            fix=f"choose from --cameras {','.join(offered)}" if offered else "it cannot be converted: it has no camera",
            change={"--cameras": next(iter(offered))} if offered else None,
        )
    return {name: offered[name] for name in names}


def _moves(view: View) -> bool:
    return view.mount is not None


def own_cameras(env: Any) -> dict[str, View]:
    """Return the cameras that the environment and its robots have, those of observations first."""
    configs: Mapping[str, Any] = {**env._human_render_camera_configs, **env._sensor_configs}
    order = [*env._sensor_configs, *(name for name in configs if name not in env._sensor_configs)]
    return {name: _view(env, configs[name]) for name in order}


def _view(env: Any, config: Any) -> View:
    mount = config.mount
    if mount is None and config.entity_uid is not None:
        links = [robot.robot.links_map.get(config.entity_uid) for robot in robots(env.agent).values()]
        mount = next((link for link in links if link is not None), None)
    intrinsic = None
    if config.fov is None:
        pixels = np.asarray(config.intrinsic, np.float64)
        intrinsic = np.diag([1 / config.width, 1 / config.height, 1.0]) @ pixels.reshape(-1, 3, 3)[0]
    return View(config.pose, mount, config.fov, intrinsic, config.near, config.far)


def _wrists(env: Any, own: Mapping[str, View]) -> dict[str, View]:
    every = robots(env.agent)
    if len(every) > len(_WRISTS):
        return {}
    names = _WRISTS if len(every) > 1 else ("wrist",)
    hands = {name: _hand(robot, own, key) for name, (key, robot) in zip(names, every.items(), strict=True)}
    return {name: hand for name, hand in hands.items() if hand is not None}


def _hand(robot: Any, own: Mapping[str, View], key: str) -> View | None:
    """Return the view from a robot's hand: where we know it, else where its own camera is."""
    import sapien

    links = robot.robot.links_map
    known = find_robot(str(robot.uid))
    # By its link too: a robot of another name may have a hand that we know.
    for each in (known, *ROBOTS):
        camera = each.hand_camera if each else None
        if camera and camera.link in links:
            return View(sapien.Pose(camera.position, camera.quaternion), links[camera.link], camera.fov)
    for config in robot._sensor_configs:
        name = config.uid if config.uid in own else f"{key}-{config.uid}"
        if name in own and own[name].mount is not None and any(word in name.lower() for word in _ON_HAND):
            return own[name]
    return None
