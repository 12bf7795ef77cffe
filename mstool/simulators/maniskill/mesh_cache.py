"""Simplified meshes kept on disk: the same meshes for every process and every run.

One file per mesh in `$XDG_CACHE_HOME/mstool/meshes` (default `~/.cache`), named by a hash of the mesh's content, the
settings and the simplifier's version. Files appear by a rename, so several workers may write the same one.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from mstool.contract import Array
from mstool.simulators.maniskill import meshes
from mstool.simulators.maniskill.meshes import Mesh

# Counts up when the code in `meshes` gives other results with the same settings.
REVISION = 1


def cache_folder() -> Path:
    """Return where simplified meshes are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mstool" / "meshes"


def mesh_key(vertices: Array, triangles: Array) -> str:
    """Hash everything that decides what the simplified mesh looks like."""
    digest = hashlib.sha256(_settings().encode())
    for array, dtype in ((vertices, np.float32), (triangles, np.uint32)):
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, dtype))
    return digest.hexdigest()


def cached(vertices: Array, triangles: Array, make: Callable[[Array, Array], Mesh] = meshes.simplified) -> Mesh:
    """Return the simplified mesh from the cache, made and put there when it is absent or damaged.

    A cache that cannot be written to costs time and nothing else.
    """
    path = cache_folder() / f"{mesh_key(vertices, triangles)}.npz"
    mesh = _read(path)
    if mesh is None:
        mesh = make(vertices, triangles)
        with suppress(OSError):
            _write(path, mesh)
    return mesh


@cache
def _settings() -> str:
    numbers = (meshes.KEEP, meshes.FEWEST, meshes.MOST, meshes.CREASE_DEG, meshes.AREA_CHANGE, meshes.AGGRESSIVENESS)
    return f"{REVISION} {numbers} {version('fast-simplification')}"


def _read(path: Path) -> Mesh | None:
    try:
        with np.load(path) as file:
            mesh = Mesh(**{name: file[name] for name in ("vertices", "normals", "triangles", "uvs")})
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    count = len(mesh.vertices)
    whole = mesh.vertices.shape == mesh.normals.shape == (count, 3) and mesh.uvs.shape == (count, 2)
    return mesh if whole and mesh.triangles.size and int(mesh.triangles.max()) < count else None


def _write(path: Path, mesh: Mesh) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid4().hex}.npz")
    try:
        np.savez(aside, **asdict(mesh))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
