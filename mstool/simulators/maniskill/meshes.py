"""Triangle meshes with fewer triangles: numpy only, nothing of a simulator."""

from dataclasses import dataclass

import numpy as np

from mstool.contract import Array

# Share of its triangles that a mesh keeps, and between which counts.
KEEP = 0.1
FEWEST, MOST = 400, 3000
# Two faces that meet at a larger angle have an edge between them: their corners do not share a normal.
CREASE_DEG = 35.0
# By how much of it the surface of a connected piece may change.
AREA_CHANGE = 0.03
# How carefully the simplifier goes about it: at its default of 7 pictures are 1 dB worse for the same triangles.
AGGRESSIVENESS = 2


@dataclass(frozen=True)
class Mesh:
    """vertices (V, 3) m, normals (V, 3) of length 1, triangles (F, 3) uint32, uvs (V, 2); the rest float32."""

    vertices: Array
    normals: Array
    triangles: Array
    uvs: Array


def simplified(vertices: Array, triangles: Array) -> Mesh:
    """Return the mesh with `KEEP` of its triangles, by quadric error, and normals split at hard edges.

    Parameters
    ----------
    vertices
        (V, 3) m; a corner that several triangles share may be listed once for each of them.
    triangles
        (F, 3) indices of vertices.

    Returns
    -------
    A mesh whose texture coordinates are zero.

    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    points, corners = np.unique(np.asarray(vertices, np.float32), axis=0, return_inverse=True)
    faces = _proper(corners.reshape(-1)[np.asarray(triangles, np.int64)])
    share = np.clip(KEEP * len(faces), FEWEST, MOST) / max(len(faces), 1)
    if share >= 1:
        return _shaded(points.astype(np.float64), faces)
    edges = faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    graph = coo_array((np.ones(len(edges), bool), tuple(edges.T)), (len(points), len(points)))
    piece = connected_components(graph, directed=False)[1][faces[:, 0]]
    order = np.argsort(piece, kind="stable")
    made = []
    offset = 0
    for own in np.split(faces[order], np.flatnonzero(np.diff(piece[order])) + 1):
        used, local = np.unique(own, return_inverse=True)
        coarse = _coarse(points[used].astype(np.float64), local.reshape(-1, 3), share)
        made.append((coarse[0], coarse[1] + offset))
        offset += len(coarse[0])
    return _shaded(np.concatenate([each[0] for each in made]), np.concatenate([each[1] for each in made]))


def _coarse(points: Array, faces: Array, share: float) -> tuple[Array, Array]:
    """Simplify one connected piece to `share` of its triangles, or to the fewest that keep its surface's area.

    The simplifier does not hold on to borders: a flat cap can shrink in its own plane, down to nothing, at no error.
    """
    import fast_simplification

    area = _areas(points, faces).sum()
    while (wanted := int(share * len(faces))) < len(faces):
        if wanted >= 4:
            settings = {"target_count": wanted, "agg": AGGRESSIVENESS}
            fewer, simpler = fast_simplification.simplify(points, faces.astype(np.uint32), **settings)
            fewer, simpler = np.asarray(fewer, np.float64), _proper(np.asarray(simpler, np.int64))
            if abs(_areas(fewer, simpler).sum() - area) <= AREA_CHANGE * area:
                return fewer, simpler
        share *= 2
    return points, faces


def _areas(points: Array, faces: Array) -> Array:
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def flattened(vertices: Array, triangles: Array, uvs: Array) -> Mesh | None:
    """Return a level rectangle's two triangles in place of its grid; None for anything else.

    Textures stay where they are: the grid's coordinates must be an affine function of the position.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    if high[2] - low[2] > 1e-6 or len(triangles) <= 2:
        return None
    a, b, c = (vertices[triangles[:, k], :2].astype(np.float64) for k in range(3))
    areas = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    size = (high - low)[:2].astype(np.float64)
    # Two vertices apart, every triangle turning the same way and together as large as the rectangle: nothing missing.
    if not np.all(areas > 0) or not np.isclose(areas.sum(), size.prod(), rtol=1e-4):
        return None
    known = np.c_[vertices[:, :2].astype(np.float64), np.ones(len(vertices))]
    affine = np.linalg.lstsq(known, uvs.astype(np.float64), rcond=None)[0]
    if np.abs(known @ affine - uvs).max() > 1e-3:
        return None
    corners = np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])], np.float64)
    return Mesh(
        vertices=np.c_[corners, np.full(4, low[2])].astype(np.float32),
        normals=np.tile(np.array([0, 0, 1], np.float32), (4, 1)),
        triangles=np.array([(0, 1, 2), (0, 2, 3)], np.uint32),
        uvs=(np.c_[corners, np.ones(4)] @ affine).astype(np.float32),
    )


def _proper(faces: Array) -> Array:
    """Leave out triangles that have become a line."""
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def _shaded(points: Array, faces: Array) -> Mesh:
    """Give every corner the area-weighted mean normal of its vertex's faces that lie within the crease angle."""
    crossed = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    doubled = np.linalg.norm(crossed, axis=1)
    faces, crossed = faces[doubled > 0], crossed[doubled > 0]
    unit = crossed / doubled[doubled > 0, None]
    # All pairs (corner, face around the corner's vertex): faces sorted by vertex, each corner meets its vertex's run.
    vertex = faces.reshape(-1)
    order = np.argsort(vertex, kind="stable")
    count = np.bincount(vertex, minlength=len(points))
    first = np.r_[0, np.cumsum(count)[:-1]]
    per_corner = count[vertex]
    corner = np.repeat(np.arange(len(vertex)), per_corner)
    within = np.arange(len(corner)) - np.repeat(np.cumsum(per_corner) - per_corner, per_corner)
    other = order[first[vertex[corner]] + within] // 3
    smooth = np.einsum("ij,ij->i", unit[corner // 3], unit[other]) >= np.cos(np.radians(CREASE_DEG))
    normals = np.zeros((len(vertex), 3))
    np.add.at(normals, corner[smooth], crossed[other[smooth]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    # Corners that agree on place and direction become one vertex again.
    rows = np.c_[points[vertex], normals].astype(np.float32)
    rows, index = np.unique(rows, axis=0, return_inverse=True)
    return Mesh(
        vertices=np.ascontiguousarray(rows[:, :3]),
        normals=np.ascontiguousarray(rows[:, 3:]),
        triangles=index.reshape(-1, 3).astype(np.uint32),
        uvs=np.zeros((len(rows), 2), np.float32),
    )
