"""A scene's looks without its physics: what a renderer can put anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What of a light is copied, where its kind has it.
OF_LIGHTS = (
    "color",
    "local_pose",
    "shadow",
    "shadow_near",
    "shadow_far",
    "shadow_map_size",
    "shadow_half_size",
    "inner_fov",
    "outer_fov",
    "texture",
)
# What of a camera, in the order in which `set_perspective_parameters` takes it.
OF_CAMERAS = ("near", "far", "fx", "fy", "cx", "cy", "skew")


class NotCopiedError(Exception):
    """A scene has something that cannot be copied; the message says what."""


@dataclass(frozen=True)
class SceneCopy:
    """A scene that draws what another one does, from the same meshes and textures in memory."""

    scene: Any
    # In the order of `placed`.
    entities: list[Any]
    # {view: SAPIEN's camera}
    cameras: dict[str, Any]


def placed(env: Any, cameras: Mapping[str, Any]) -> list[Any]:
    """Return the entities of an environment's scene that are drawn or carry one of `cameras`, as they were made."""
    import sapien

    ours = {camera._render_cameras[0] for camera in cameras.values()}
    return [
        entity
        for entity in env.scene.sub_scenes[0].entities
        if any(isinstance(each, sapien.render.RenderBodyComponent) or each in ours for each in entity.components)
    ]


def copy_scene(env: Any, cameras: Mapping[str, Any]) -> SceneCopy:
    """Copy what an environment's scene looks like, as it stands now, with `cameras`, {view: ManiSkill's camera}.

    Raises
    ------
    NotCopiedError
        Something in it cannot be copied.

    """
    import sapien

    original = env.scene.sub_scenes[0]
    system = sapien.render.RenderSystem(original.render_system.device)
    scene = sapien.Scene([system])
    system.ambient_light = original.render_system.ambient_light
    system.cubemap = original.render_system.cubemap
    views = {camera._render_cameras[0]: view for view, camera in cameras.items()}
    stands, found = placed(env, cameras), {}
    entities = []
    for entity in original.entities:
        new = sapien.Entity()
        new.name, new.pose = entity.name, entity.pose
        for component in entity.components:
            if isinstance(component, sapien.render.RenderBodyComponent):
                new.add_component(component.clone())
            elif isinstance(component, sapien.render.RenderLightComponent):
                if len(entity.components) > 1:
                    raise NotCopiedError(f"{entity.name} carries a light")
                new.add_component(_light(component))
            elif component in views:
                found[views[component]] = _camera(component)
                new.add_component(found[views[component]])
            elif _drawn_otherwise(component):
                raise NotCopiedError(f"{entity.name} has a {type(component).__name__}")
        if new.components:
            scene.add_entity(new)
        if entity in stands:
            entities.append(new)
    return SceneCopy(scene, entities, {view: found[view] for view in cameras})


def _light(light: Any) -> Any:
    import sapien

    if isinstance(light, sapien.render.RenderParallelogramLightComponent):
        raise NotCopiedError("it has a light for ray tracing")
    new = type(light)()
    for name in OF_LIGHTS:
        if hasattr(light, name):
            setattr(new, name, getattr(light, name))
    return new


def _camera(camera: Any) -> Any:
    import sapien

    new = sapien.render.RenderCameraComponent(camera.width, camera.height)
    new.name = camera.name
    new.set_perspective_parameters(*(getattr(camera, name) for name in OF_CAMERAS))
    new.local_pose = camera.local_pose
    return new


def _drawn_otherwise(component: Any) -> bool:
    import sapien

    # Cloth and points: their form is not in their pose.
    return isinstance(component, sapien.render.RenderCudaMeshComponent | sapien.render.RenderPointCloudComponent)
