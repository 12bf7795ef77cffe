"""A demo file comes from a stranger: nothing outside it is opened, and few bytes stay few."""

import os
import time
import tracemalloc
import zipfile
from contextlib import suppress

import h5py
import numpy as np
import pytest
from support.demos import edit_json

from mstool.errors import DataError
from mstool.simulators.hdf5 import SPARE_BYTES
from mstool.simulators.maniskill.demos import hub
from mstool.simulators.maniskill.demos.reader import DemoFile, find_h5
from mstool.simulators.maniskill.demos.recording import Recording

MOST_BYTES, MOST_SECONDS = 8 * SPARE_BYTES, 5
ACTIONS, STATES, CUBE, QPOS, RGB = (
    "traj_0/actions", "traj_0/env_states", "traj_0/env_states/actors/cube", "traj_0/obs/agent/qpos",
    "traj_0/obs/sensor_data/base_camera/rgb",
)  # fmt: skip


@pytest.fixture
def observed(demo_copy):
    """A real demo of which one episode has observations."""
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        steps = len(file[ACTIONS])
        file[QPOS] = np.zeros((steps + 1, 9), np.float32)
        file[RGB] = np.zeros((steps + 1, 16, 16, 3), np.uint8)
    return demo_copy


@pytest.fixture
def canary(tmp_path):
    """Another HDF5 file of this machine, which must not be opened."""
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["actions"] = np.ones((50, 8), np.float32)
        file["traj_0/actions"] = np.ones((50, 8), np.float32)
    os.utime(path, (1, 1))
    yield path
    assert path.stat().st_atime == 1


def read_all(folder):
    """Read what a conversion reads; the time and memory that it takes are bounded."""
    tracemalloc.start()
    started = time.monotonic()
    try:
        demos = DemoFile(folder)
        found = demos.problems()
        if 0 in found:
            raise DataError(found[0])
        with demos.open() as file:
            recording = Recording(file, "traj_0")
            recording.check_length(len(demos.read(0).actions))
            for camera in recording.cameras:
                for _ in recording.frames(camera):
                    pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MOST_BYTES
        assert time.monotonic() - started < MOST_SECONDS


def replaced(folder, name, write):
    """Put something else in the place of a data set or group: `write(parent, name)`."""
    with h5py.File(folder / "trajectory.h5", "a") as file:
        parent, _, last = name.rpartition("/")
        del file[name]
        write(file[parent or "/"], last)


def test_a_good_one(observed):
    read_all(observed)


@pytest.mark.parametrize("name", ["traj_0", ACTIONS, STATES, CUBE, "traj_0/obs", QPOS, RGB, "traj_0/success"])
@pytest.mark.parametrize("kind", ["external", "soft"])
def test_links_are_not_followed(observed, canary, name, kind):
    link = h5py.ExternalLink(str(canary), "/actions") if kind == "external" else h5py.SoftLink("/traj_1/actions")
    replaced(observed, name, lambda parent, last: parent.__setitem__(last, link))
    with pytest.raises(DataError, match=f"{name.rpartition('/')[2]} in trajectory.h5 is a link"):
        read_all(observed)


@pytest.mark.parametrize("name", [ACTIONS, CUBE, QPOS, RGB])
def test_numbers_of_another_file_are_not_read(observed, canary, name):
    def elsewhere(parent, last):
        parent.create_dataset(last, (50, 8), np.float32, external=[(str(canary), 0, 1600)])

    replaced(observed, name, elsewhere)
    with pytest.raises(DataError, match="keeps its numbers in another file"):
        read_all(observed)


@pytest.mark.parametrize("name", [ACTIONS, CUBE, QPOS, RGB])
def test_virtual_data_sets_are_not_read(observed, canary, name):
    def virtual(parent, last):
        layout = h5py.VirtualLayout((50, 8), np.float32)
        layout[:] = h5py.VirtualSource(str(canary), "actions", (50, 8))
        parent.create_virtual_dataset(last, layout)

    replaced(observed, name, virtual)
    with pytest.raises(DataError, match="put together from other data sets"):
        read_all(observed)


HUGE = {
    "never_written": {"shape": (10**9, 8), "chunks": (1000, 8)},
    "contiguous": {"shape": (10**9, 8)},
    "wide": {"shape": (51, 10**9), "chunks": (1, 1000)},
    "one_chunk": {"shape": (51, 2**29), "chunks": (1, 2**29)},
    "chunk_of_few_rows": {"shape": (51, 8), "maxshape": (None, 8), "chunks": (2**26, 8)},
}


@pytest.mark.parametrize("name", [ACTIONS, CUBE, QPOS])
@pytest.mark.parametrize("form", HUGE)
def test_what_announces_more_than_there_is(observed, name, form):
    replaced(observed, name, lambda parent, last: parent.create_dataset(last, dtype=np.float32, **HUGE[form]))
    if name == CUBE and form in {"never_written", "contiguous"}:
        read_all(observed)  # one row of the states is read, whatever follows it
        return
    with pytest.raises(DataError, match=r"announces \d+ MB, more than such a file holds"):
        read_all(observed)


def test_zeros_that_take_no_room(observed):
    def zeros(parent, last):
        parent.create_dataset(last, data=np.zeros((10**7, 8), np.float32), compression="gzip", chunks=(10**5, 8))

    replaced(observed, ACTIONS, zeros)
    assert (observed / "trajectory.h5").stat().st_size < 10**6
    with pytest.raises(DataError, match="announces 320 MB"):
        read_all(observed)


def test_images_of_gigapixels(observed):
    def huge(parent, last):
        steps = len(parent.file[ACTIONS])
        parent.create_dataset(last, (steps + 1, 30_000, 30_000, 3), np.uint8, chunks=(1, 100, 100, 3))

    replaced(observed, RGB, huge)
    with pytest.raises(DataError, match="announces 2700 MB"):
        read_all(observed)


@pytest.mark.parametrize(
    "data",
    [
        np.array(["a", "b"], dtype=h5py.string_dtype()),
        np.zeros(5, [("x", "f4"), ("y", "f4")]),
        h5py.Empty("f4"),
        np.float32(1),
        np.zeros(3, [("x", "f4", (1000,))])["x"].view([("x", "f4", (1000,))]),
    ],
    ids=["text", "compound", "empty", "one_number", "arrays"],
)
@pytest.mark.parametrize("name", [ACTIONS, CUBE, QPOS])
def test_something_else_than_numbers(observed, name, data):
    replaced(observed, name, lambda parent, last: parent.__setitem__(last, data))
    with pytest.raises(DataError, match=r"not rows of numbers|has actions of shape"):
        read_all(observed)


@pytest.mark.parametrize("name", [ACTIONS, STATES, "traj_0/obs/agent", "traj_0/obs/sensor_data"])
def test_groups_that_lead_to_themselves_or_far_down(observed, name):
    def circle(parent, last):
        group = parent.create_group(last)
        group["again"] = group
        for _ in range(2000):
            group = group.create_group("down")

    replaced(observed, name, circle)
    with suppress(DataError):  # states of no body are none
        read_all(observed)


def test_one_array_under_many_names(observed):
    def many(parent, last):
        group = parent.create_group(last)
        group.create_dataset("body", (1, 2**16), np.float32, chunks=(1, 2**10))
        for number in range(2000):
            group[f"body{number}"] = group["body"]

    replaced(observed, "traj_0/env_states/actors", many)
    with pytest.raises(DataError, match="more than such a file holds"):
        read_all(observed)


def test_one_array_in_many_episodes(observed):
    with h5py.File(observed / "trajectory.h5", "a") as file:
        del file[ACTIONS]
        zeros = file["traj_0"].create_dataset("actions", (10**6, 3), np.float32, chunks=(1000, 3))
        for number in range(100, 1100):
            file[f"traj_{number}/actions"] = zeros
    ids = [0, *range(100, 1100)]
    edit_json(observed, lambda d: d.update(episodes=[d["episodes"][0] | {"episode_id": each} for each in ids]))
    with pytest.raises(DataError, match="announces more actions than a file of its size holds"):
        read_all(observed)


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, " " * (65 << 20), "[[],"], ids=["deep", "large", "cut"]
)
def test_a_listing_beyond_bounds(observed, text):
    (observed / "trajectory.json").write_text(text)
    with pytest.raises(DataError, match="is not valid JSON"):
        read_all(observed)


@pytest.mark.parametrize("episode_id", ["1" * 5000, "\u0661", "-1", "1e3"])
def test_numbers_of_episodes_that_are_none(observed, episode_id):
    edit_json(observed, lambda d: d["episodes"][0].update(episode_id=episode_id))
    with pytest.raises(DataError, match="expected a number") as error:
        read_all(observed)
    assert len(error.value.message) < 500


def test_a_pipe_is_no_demo_file(tmp_path):
    os.mkfifo(tmp_path / "trajectory.h5")
    with pytest.raises(DataError, match=r"holds no \.h5 file"):
        find_h5(tmp_path)


def test_an_archive_that_unpacks_to_gigabytes(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "demos.zip", "w", zipfile.ZIP_DEFLATED) as packed, packed.open("a.h5", "w") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    monkeypatch.setattr(hub, "_fetch", lambda _: tmp_path / "demos.zip")
    with pytest.raises(DataError, match=r"announces 0\.1 GB, more than an archive of its size holds") as error:
        hub.download_demos("PickCube-v1", tmp_path / "cache")
    assert error.value.fix == "mstool convert --env PickCube-v1 --demos generate"
    assert not list((tmp_path / "cache").iterdir())
