"""Cameras in a scene: mounted, asked for pictures, asked where they are."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from mstool.contract import Array, CameraFacts
from mstool.simulators.maniskill.devices import render_backend
from mstool.simulators.maniskill.robots import robots
from mstool.simulators.maniskill.shaders import PACK, without_table
from mstool.simulators.maniskill.views import choose_views


def mount_cameras(env: Any, views: tuple[str, ...], image_size: tuple[int, int]) -> dict[str, Any]:
    """Add one camera per view to a freshly built scene.

    Parameters
    ----------
    env
        The unwrapped ManiSkill environment.
    views
        Names of `mstool.simulators.maniskill.views`.
    image_size
        (height, width) in pixels.

    Raises
    ------
    UsageError
        A view that the environment does not have.

    """
    if not views:
        return {}
    from mani_skill.render import PREBUILT_SHADER_CONFIGS, set_shader_pack
    from sapien.render import set_camera_shader_dir

    set_shader_pack(PREBUILT_SHADER_CONFIGS[PACK])
    if render_backend() == "cpu" and all(scene.render_system.cubemap is None for scene in env.scene.sub_scenes):
        set_camera_shader_dir(without_table())
    height, width = image_size
    return {
        name: env.scene.add_camera(
            name=f"mstool_{name}",
            pose=view.pose,
            width=width,
            height=height,
            near=view.near,
            far=view.far,
            fovy=view.fov,
            intrinsic=view.intrinsic_at(height, width),
            mount=view.mount,
        )
        for name, view in choose_views(env, views).items()
    }


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


def camera_facts(env: Any, cameras: Mapping[str, Any]) -> dict[str, CameraFacts]:
    """Say where the mounted cameras are; SAPIEN's look along x, with y to the left and z up."""
    return {
        view: _facts(camera._render_cameras[0], _name_of_mount(env, camera.mount)) for view, camera in cameras.items()
    }


def _name_of_mount(env: Any, mount: Any) -> str:
    """Return the link's name, after its robot's key where there are several; empty for a camera that stands still."""
    if mount is None:
        return ""
    every = robots(env.agent)
    keys = [key for key, robot in every.items() if robot.robot.links_map.get(mount.name) is mount]
    return f"{keys[0]}.{mount.name}" if keys and len(every) > 1 else str(mount.name)


def _facts(camera: Any, mount: str) -> CameraFacts:
    turned: Array = camera.local_pose.to_transformation_matrix()[:3, :3].astype(np.float64)
    rotation = turned @ np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    return CameraFacts(
        mount=mount,
        position=_rounded(camera.local_pose.p),
        rotation=tuple(_rounded(row) for row in rotation),
        focal_px=(float(camera.fx), float(camera.fy)),
        centre_px=(float(camera.cx), float(camera.cy)),
    )


def _rounded(values: Array) -> tuple[float, ...]:
    # Beyond single precision there is nothing; adding 0 makes -0 one.
    return tuple(round(float(x), 6) + 0.0 for x in values)
