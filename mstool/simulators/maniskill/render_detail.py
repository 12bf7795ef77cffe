"""How much of the robot's and the floor's geometry is drawn: `full`, or `fast` with simplified meshes.

A software renderer spends most of its time on the Panda's 136,000 triangles and on the floor's 20,000. `fast` draws a
tenth of them; physics never sees the difference. Hand and fingers, which fill the wrist view, stay whole, and so does
everything that the task itself brings.
"""

from typing import Any

import numpy as np

from mstool.contract import RenderDetail
from mstool.simulators.maniskill.mesh_cache import cached
from mstool.simulators.maniskill.meshes import FEWEST, Mesh, flattened
from mstool.simulators.maniskill.robots import robots

# Links with one of these in their name stay whole.
WHOLE = ("hand", "finger", "gripper")

# Meshes of files, by (file name, scale, part): a scene is rebuilt for every episode.
_known: dict[tuple[str, tuple[float, ...], int], Mesh] = {}


def apply_detail(env: Any, detail: RenderDetail) -> None:
    """Exchange render meshes of a freshly built scene, before its first picture.

    Parameters
    ----------
    env
        The unwrapped ManiSkill environment.
    detail
        `full` leaves everything as ManiSkill built it.

    """
    if detail == "full" or not env.scene.can_render():
        return
    for robot in robots(env.agent).values():
        for link in robot.robot.get_links():
            if not any(word in link.name for word in WHOLE):
                _exchange(link._objs[0].entity)
    for name, actor in env.scene.actors.items():
        if "ground" in name:
            _exchange(actor._objs[0])


def _exchange(entity: Any) -> None:
    """Replace an entity's render body by one with simplified shapes."""
    import sapien

    body = entity.find_component_by_type(sapien.render.RenderBodyComponent)
    if body is None:
        return
    shapes = [(shape, _simpler(shape)) for shape in body.render_shapes]
    if not any(simpler for _, simpler in shapes):
        return
    new = sapien.render.RenderBodyComponent()
    for shape, simpler in shapes:
        for each in simpler or [shape.clone()]:
            new.attach(each)
    new.name, new.visibility, new.shading_mode = body.name, body.visibility, body.shading_mode
    entity.remove_component(body)
    entity.add_component(new)


def _simpler(shape: Any) -> list[Any]:
    """One shape per part of a mesh, simplified where that pays; nothing when it pays nowhere."""
    import sapien

    if not isinstance(shape, sapien.render.RenderShapeTriangleMesh):
        return []
    meshes = [_simpler_part(shape, k, part) for k, part in enumerate(shape.parts)]
    if not any(meshes):
        return []
    made = []
    for part, mesh in zip(shape.parts, meshes, strict=True):
        chosen = mesh or Mesh(part.vertices, part.get_vertex_normal(), part.triangles, part.get_vertex_uv())
        new = sapien.render.RenderShapeTriangleMesh(
            chosen.vertices, chosen.triangles, chosen.normals, chosen.uvs, part.material
        )
        new.scale, new.local_pose = shape.scale, shape.local_pose
        new.name, new.front_face = shape.name, shape.front_face
        made.append(new)
    return made


def _simpler_part(shape: Any, index: int, part: Any) -> Mesh | None:
    key = (str(shape.filename), tuple(map(float, shape.scale)), index)
    if key in _known:
        return _known[key]
    triangles = part.triangles
    if len(triangles) <= FEWEST:
        return None
    vertices, material = np.asarray(part.vertices), part.material
    textured = any(
        getattr(material, f"{name}_texture", None) is not None
        for name in ("base_color", "normal", "roughness", "metallic", "emission", "transmission")
    )
    if textured:  # where a texture lies on the surface would be lost
        return flattened(vertices, triangles, np.asarray(part.get_vertex_uv()))
    mesh = cached(vertices, triangles)
    if shape.filename:
        _known[key] = mesh
    return mesh
