"""Where the cameras are: the task's own base view, a second exterior view, and one on the hand."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from mstool.contract import Array, CameraFacts
from mstool.errors import UsageError
from mstool.robots import ROBOTS
from mstool.simulators.maniskill.robots import robots

# The second exterior view: the base camera's pose turned by this angle about the world's vertical axis.
BASE2_TURN_RAD = 0.7

VIEWS = ("base", "base2", "wrist")


def mount_cameras(env: Any, views: tuple[str, ...], image_size: tuple[int, int]) -> dict[str, Any]:
    """Add one camera per view to a freshly built scene.

    Parameters
    ----------
    env
        The unwrapped ManiSkill environment.
    views
        Names out of `VIEWS`.
    image_size
        (height, width) in pixels.

    Raises
    ------
    UsageError
        An unknown view, or a wrist view on a robot that has neither a hand that is known nor a camera of its own.

    """
    if not views:
        return {}
    import sapien
    from mani_skill.render import PREBUILT_SHADER_CONFIGS, set_shader_pack

    # ManiSkill's own observations use this pack: flat 8-bit colour, equal to `obs_mode="rgb"` in every pixel.
    set_shader_pack(PREBUILT_SHADER_CONFIGS["minimal"])
    height, width = image_size
    cameras = {}
    for view in views:
        mount = None
        if view == "wrist":
            mount, pose, fov = _wrist(env)
        elif view in VIEWS:
            config = next(iter(_exterior_configs(env).values()))
            pose, fov = config.pose, config.fov
            if view == "base2":
                turn = sapien.Pose(q=[np.cos(BASE2_TURN_RAD / 2), 0, 0, np.sin(BASE2_TURN_RAD / 2)])
                pose = turn * pose.sp
        else:
            raise UsageError(f"unknown camera {view!r}: choose from {', '.join(VIEWS)}")
        cameras[view] = env.scene.add_camera(
            name=f"mstool_{view}",
            pose=pose,
            width=width,
            height=height,
            near=0.01,
            far=100,
            fovy=fov,
            mount=mount,
        )
    return cameras


def start_pictures(env: Any, cameras: Mapping[str, Any]) -> None:
    """Have every camera rendered as the scene stands now; returns before the pictures are there."""
    env.scene.update_render(update_sensors=False, update_human_render_cameras=False)
    for camera in cameras.values():
        camera.take_picture()


def finish_pictures(cameras: Mapping[str, Any]) -> dict[str, Array]:
    """Wait for what `start_pictures` began: uint8 (H, W, 3) each, in the order in which they were mounted."""
    return {
        # OpenCV drops the fourth channel in a thirtieth of numpy's time.
        view: cv2.cvtColor(camera._render_cameras[0].get_picture("Color"), cv2.COLOR_RGBA2RGB)
        for view, camera in cameras.items()
    }


def camera_facts(cameras: Mapping[str, Any]) -> dict[str, CameraFacts]:
    """Say where the mounted cameras are; SAPIEN's look along x, with y to the left and z up."""
    return {view: _facts(camera._render_cameras[0], camera.mount) for view, camera in cameras.items()}


def _facts(camera: Any, mount: Any) -> CameraFacts:
    turned: Array = camera.local_pose.to_transformation_matrix()[:3, :3].astype(np.float64)
    rotation = turned @ np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    return CameraFacts(
        mount=mount.name if mount is not None else "",
        position=_rounded(camera.local_pose.p),
        rotation=tuple(_rounded(row) for row in rotation),
        focal_px=(float(camera.fx), float(camera.fy)),
        centre_px=(float(camera.cx), float(camera.cy)),
    )


def _rounded(values: Array) -> tuple[float, ...]:
    # Beyond single precision there is nothing; adding 0 makes -0 one.
    return tuple(round(float(x), 6) + 0.0 for x in values)


def _exterior_configs(env: Any) -> dict[str, Any]:
    configs = {
        name: config
        for name, config in env._sensor_configs.items()
        if name not in env._agent_sensor_configs and config.mount is None
    }
    if not configs:
        raise UsageError(f"{env.spec.id} has no exterior camera")
    return configs


def _wrist(env: Any) -> tuple[Any, Any, float]:
    import sapien

    agents = list(robots(env.agent).values())
    if len(agents) > 1:
        raise UsageError(
            f"{env.spec.id} has {len(agents)} robots: the wrist view is ambiguous", fix="add --cameras base"
        )
    links = env.agent.robot.links_map
    mounts = [robot.hand_camera for robot in ROBOTS if robot.hand_camera]
    for mount in mounts:
        if mount.link in links:
            return links[mount.link], sapien.Pose(mount.position, mount.quaternion), mount.fov
    for config in env._agent_sensor_configs.values():
        link = config.mount or links.get(config.entity_uid)
        if link is not None:
            return link, config.pose, config.fov
    hands = " or ".join(repr(mount.link) for mount in mounts)
    raise UsageError(
        f"the robot {env.agent.uid!r} has no hand link {hands} and no camera of its own for a wrist view",
        fix="add --cameras base",
    )
