import json

import h5py
import numpy as np
import pytest

from mstool.errors import DataError
from mstool.maniskill2lerobot.demos.reader import DemoFile, find_h5


def edit_json(folder, change):
    path = folder / "trajectory.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_reads_a_real_demo(demo_copy):
    demos = DemoFile(demo_copy)
    assert (demos.env_id, len(demos)) == ("PickCube-v1", 4)
    demo = demos.read(2)
    assert demo.actions.shape == (50, 8)
    assert demo.actions.dtype == np.float32
    assert (demo.seed, demo.control_mode, demo.episode_id) == (2, "pd_joint_pos", 2)
    assert demo.first_state["articulations"]["panda"].shape == (31,)
    assert demos.env_kwargs == {}  # what the demo recorded is all decided by the conversion itself
    assert demos.problems() == {}


def test_episodes_keep_the_jsons_order(demo_copy):
    edit_json(demo_copy, lambda data: data["episodes"].reverse())
    assert [DemoFile(demo_copy).read(i).episode_id for i in range(4)] == [3, 2, 1, 0]


def test_missing_path(tmp_path):
    with pytest.raises(DataError, match="no such file") as error:
        DemoFile(tmp_path / "nothing")
    assert "--demos" in error.value.fix


def test_folder_without_and_with_several_h5(tmp_path):
    with pytest.raises(DataError, match="holds no"):
        find_h5(tmp_path)
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="holds 2") as error:
        find_h5(tmp_path)
    assert "a.h5" in error.value.fix


def test_not_hdf5(demo_copy):
    (demo_copy / "trajectory.h5").write_text("hello")
    with pytest.raises(DataError, match="not a readable HDF5 file"):
        DemoFile(demo_copy)


def test_truncated(demo_copy):
    path = demo_copy / "trajectory.h5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="truncated, or not HDF5"):
        DemoFile(demo_copy)


def test_missing_json(demo_copy):
    (demo_copy / "trajectory.json").unlink()
    with pytest.raises(DataError, match=r"trajectory\.json is missing"):
        DemoFile(demo_copy)


def test_malformed_json(demo_copy):
    (demo_copy / "trajectory.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        DemoFile(demo_copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("env_info"), "does not name its environment"),
        (lambda d: d.update(episodes=[]), "lists no episodes"),
        (lambda d: d.update(episodes=[{}]), "episode 0 has no episode_id"),
    ],
)
def test_json_without_what_it_must_hold(demo_copy, change, message):
    edit_json(demo_copy, change)
    with pytest.raises(DataError, match=message):
        DemoFile(demo_copy)


def test_no_trajectories(demo_copy):
    with h5py.File(demo_copy / "trajectory.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match="holds no trajectory"):
        DemoFile(demo_copy)


def test_damaged_episodes_are_all_found(demo_copy):
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        file["traj_0/actions"][5, 2] = np.nan
        del file["traj_1"]
        del file["traj_3/actions"]
    problems = DemoFile(demo_copy).problems()
    assert set(problems) == {0, 1, 3}
    assert "NaN or infinite actions, first at step 5" in problems[0]
    assert "missing in trajectory.h5" in problems[1]
    assert "has no actions" in problems[3]


def test_episode_without_seed(demo_copy):
    edit_json(demo_copy, lambda d: [d["episodes"][0].pop(k) for k in ("episode_seed", "reset_kwargs")])
    assert DemoFile(demo_copy).problems() == {0: "episode 0 has no seed"}
