import numpy as np
import pytest

from mstool.simulators.maniskill import mesh_cache, meshes
from mstool.simulators.maniskill.meshes import flattened, simplified


def soup(vertices, triangles):
    """Every triangle with corners of its own, as the robot's files have them."""
    return vertices[triangles].reshape(-1, 3).astype(np.float32), np.arange(triangles.size, dtype=np.uint32).reshape(
        -1, 3
    )


def grid(n, lift=lambda x, y: 0 * x):
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")
    vertices = np.stack([x, y, lift(x, y)], axis=-1).reshape(-1, 3).astype(np.float32)
    k = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    return vertices, np.concatenate([np.c_[k, k + n, k + n + 1], np.c_[k, k + n + 1, k + 1]]).astype(np.uint32)


def roof(x, y):
    return 0.5 - np.abs(x - 0.5)


def dome(x, y):
    return 0.3 * np.sin(np.pi * x) * np.sin(np.pi * y)


def facing(mesh):
    a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(float) for k in range(3))
    crossed = np.cross(b - a, c - a)
    return crossed / np.linalg.norm(crossed, axis=1, keepdims=True)


def test_hard_edges_stay_hard():
    """A roof's two sides keep one normal each, right up to the ridge."""
    mesh = simplified(*soup(*grid(61, roof)))
    assert len(mesh.triangles) <= 0.15 * 7200 + 1
    np.testing.assert_allclose(np.abs(mesh.normals[:, 0]), np.sqrt(0.5), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-6)
    ridge = mesh.vertices[:, 2] > 0.499
    assert set(np.sign(mesh.normals[ridge, 0])) == {-1, 1}


def test_round_surfaces_stay_round_and_where_they_were():
    mesh = simplified(*soup(*grid(61, dome)))
    x, y, z = mesh.vertices.T.astype(float)
    np.testing.assert_allclose(z, dome(x, y), atol=5e-3)
    corner = mesh.normals[mesh.triangles]
    assert np.einsum("fcd,fd->fc", corner, facing(mesh)).min() > 0.9
    # A smooth surface shares its vertices: this is where the renderer's time is saved.
    assert len(mesh.vertices) < 0.7 * len(mesh.triangles)


def test_small_meshes_keep_every_triangle():
    vertices, triangles = soup(*grid(5, dome))
    mesh = simplified(vertices, triangles)
    assert len(mesh.triangles) == len(triangles)


def test_a_level_grid_becomes_two_triangles_with_its_texture_in_place():
    vertices, triangles = grid(21)
    uvs = vertices[:, :2] @ np.array([[4.0, 0.0], [0.0, -4.0]]) + 0.5
    mesh = flattened(vertices, triangles, uvs.astype(np.float32))
    assert len(mesh.triangles) == 2
    np.testing.assert_allclose(mesh.uvs, mesh.vertices[:, :2] @ [[4.0, 0.0], [0.0, -4.0]] + 0.5, atol=1e-6)
    assert (facing(mesh)[:, 2] > 0).all()


@pytest.mark.parametrize("change", ["hole", "bump", "texture"])
def test_other_meshes_are_not_flattened(change):
    vertices, triangles = grid(21, dome if change == "bump" else lambda x, y: 0 * x)
    uvs = vertices[:, :2].copy()
    if change == "hole":
        triangles = triangles[5:]
    if change == "texture":
        uvs[7] += 0.1
    assert flattened(vertices, triangles, uvs) is None


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mstool" / "meshes"


def never(vertices, triangles):
    raise AssertionError("made again")


def test_the_second_process_reads_what_the_first_made(cache):
    vertices, triangles = soup(*grid(31, dome))
    made = mesh_cache.cached(vertices, triangles)
    read = mesh_cache.cached(vertices, triangles, make=never)
    for name in ("vertices", "normals", "triangles", "uvs"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
    assert [path.suffix for path in cache.iterdir()] == [".npz"]  # and no temporary file


def test_other_content_and_other_settings_are_other_files(cache, monkeypatch):
    vertices, triangles = soup(*grid(31, dome))
    keys = {mesh_cache.mesh_key(vertices, triangles), mesh_cache.mesh_key(vertices * 2, triangles)}
    monkeypatch.setattr(meshes, "KEEP", 0.3)
    mesh_cache._settings.cache_clear()
    keys.add(mesh_cache.mesh_key(vertices, triangles))
    monkeypatch.undo()
    mesh_cache._settings.cache_clear()
    assert len(keys) == 3


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", None])
def test_a_damaged_file_is_made_again(cache, damage):
    vertices, triangles = soup(*grid(31, dome))
    made = mesh_cache.cached(vertices, triangles)
    (path,) = cache.iterdir()
    if damage is None:  # cut off in the middle
        path.write_bytes(path.read_bytes()[:2000])
    else:
        path.write_bytes(damage)
    np.testing.assert_array_equal(mesh_cache.cached(vertices, triangles).vertices, made.vertices)
    mesh_cache.cached(vertices, triangles, make=never)


def test_without_a_cache_it_still_works(cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    vertices, triangles = soup(*grid(31, dome))
    assert len(mesh_cache.cached(vertices, triangles).triangles) < len(triangles)
