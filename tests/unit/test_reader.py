import subprocess
import sys
from contextlib import suppress

import h5py
import numpy as np
import pytest
from support.demos import edit_json

from mstool.errors import DataError
from mstool.simulators.maniskill.demos.reader import DemoFile, find_h5


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


@pytest.mark.parametrize(
    ("seed", "shown"),
    [
        ([], "[]"),
        ("abc", "'abc'"),
        (-1, "-1"),
        (2**32, "4294967296"),
        (1.5, "1.5"),
        (True, "True"),
        ([[3]], "[[3]]"),
        ({}, "{}"),
    ],
)
def test_a_seed_that_is_none(demo_copy, seed, shown):
    edit_json(demo_copy, lambda d: d["episodes"][1]["reset_kwargs"].update(seed=seed))
    expected = f"episode 1 has the seed {shown}, expected a whole number from 0 to 4294967295"
    assert DemoFile(demo_copy).problems() == {1: expected}


@pytest.mark.parametrize("seed", [0, 2**32 - 1, [7]])
def test_a_seed_that_is_one(demo_copy, seed):
    edit_json(demo_copy, lambda d: d["episodes"][1]["reset_kwargs"].update(seed=seed))
    assert DemoFile(demo_copy).problems() == {}
    assert DemoFile(demo_copy).read(1).seed == (7 if isinstance(seed, list) else seed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["env_info"].update(env_kwargs=[1]), r"env_info\.env_kwargs is \[1\], expected an object"),
        (lambda d: d["episodes"][2].update(episode_id="two"), "episode 2 has the episode_id 'two', expected a number"),
        (lambda d: d["episodes"][2].update(episode_id=None), "episode 2 has the episode_id None, expected a number"),
        (lambda d: d["episodes"][2].update(episode_id=0), r"trajectory\.json lists an episode more than once: 0"),
        (lambda d: d.pop("env_info"), "does not name its environment"),
        (lambda d: d.update(episodes={}), "lists no episodes"),
    ],
)
def test_a_listing_that_is_none(demo_copy, change, message):
    edit_json(demo_copy, change)
    with pytest.raises(DataError, match=message):
        DemoFile(demo_copy)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ("[]", "holds a list"), ("{", "is not valid JSON"), ("\xff", "is not valid JSON")],
)
def test_a_json_that_is_none(demo_copy, text, message):
    (demo_copy / "trajectory.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=rf"trajectory\.json {message}"):
        DemoFile(demo_copy)


def test_reset_arguments_that_are_none(demo_copy):
    edit_json(demo_copy, lambda d: d["episodes"][0].update(reset_kwargs="x"))
    edit_json(demo_copy, lambda d: d["episodes"][1]["reset_kwargs"].update(options=[1]))
    assert DemoFile(demo_copy).problems() == {
        0: "episode 0.reset_kwargs is 'x', expected an object",
        1: "episode 1: reset_kwargs.options is [1], expected an object",
    }


def test_an_episode_id_as_text(demo_copy):
    edit_json(demo_copy, lambda d: d["episodes"][0].update(episode_id="0"))
    assert DemoFile(demo_copy).read(0).episode_id == 0


def test_a_file_that_another_process_writes(demo_copy):
    opened = DemoFile(demo_copy)
    code = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", code, str(demo_copy / "trajectory.h5")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(DataError, match="is in use by another process"):
            DemoFile(demo_copy)
        with pytest.raises(DataError, match="is in use by another process"):
            opened.open()
        writer.stdin.close()


@pytest.mark.parametrize(
    ("said", "number", "fix"),
    [
        ("unable to lock file, errno = 37, error message = 'No locks available'", 37, "HDF5_USE_FILE_LOCKING=FALSE"),
        ("file is already open for write or SWMR write", 5, "h5clear -s"),
    ],
)
def test_locks_that_nobody_holds(demo_copy, monkeypatch, said, number, fix):
    def refuse(*_):
        raise OSError(number, said)

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(DataError) as error:
        DemoFile(demo_copy)
    assert fix in error.value.fix


def test_an_empty_h5(demo_copy):
    (demo_copy / "trajectory.h5").write_bytes(b"")
    with pytest.raises(DataError, match=r"trajectory\.h5 is empty"):
        DemoFile(demo_copy)


def test_the_json_in_the_place_of_the_h5(demo_copy):
    with pytest.raises(DataError) as caught:
        DemoFile(demo_copy / "trajectory.json")
    assert caught.value.fix == f"--demos {demo_copy / 'trajectory.h5'}"


def test_content_of_another_type(demo_copy):
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        del file["traj_0/actions"]
        file["traj_0/actions"] = np.array([b"a", b"b"])
        del file["traj_1"]
        file["traj_1"] = np.zeros(3)
        for name in list(file["traj_2/env_states/actors"]):
            del file[f"traj_2/env_states/actors/{name}"]
            file[f"traj_2/env_states/actors/{name}"] = np.zeros((0, 13))
    problems = DemoFile(demo_copy).problems()
    assert sorted(problems) == [0, 1, 2]
    assert problems[0].startswith("traj_0 in trajectory.h5 cannot be read: ")
    assert problems[1] == "traj_1 is listed in trajectory.json but missing in trajectory.h5"
    assert problems[2].startswith("traj_2 in trajectory.h5 cannot be read: ")


def test_states_of_maniskill2(demo_copy):
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        for name in file:
            steps = len(file[name]["actions"])
            del file[name]["env_states"]
            file[name]["env_states"] = np.zeros((steps + 1, 71), np.float32)
    demos = DemoFile(demo_copy)
    assert demos.problems() == {}
    assert demos.read(0).first_state is None
    with pytest.raises(DataError, match="was recorded with ManiSkill2") as caught:
        demos.check_replayable()
    assert caught.value.fix == "mstool convert --env PickCube-v1 --demos generate"


def test_a_state_that_is_no_number(demo_copy):
    with h5py.File(demo_copy / "trajectory.h5", "a") as file:
        file["traj_1/env_states/actors/cube"][0, 2] = np.nan
    assert DemoFile(demo_copy).problems() == {
        1: "traj_1 in trajectory.h5 begins in a state with NaN or infinite numbers"
    }


def test_trajectories_that_are_not_listed(demo_copy):
    edit_json(demo_copy, lambda d: [d["episodes"].pop(0), d["episodes"].pop()])
    assert DemoFile(demo_copy).unlisted == ["traj_0", "traj_3"]


@pytest.mark.parametrize("mode", [{}, None, ""])
def test_no_control_mode_at_all(demo_copy, mode):
    edit_json(demo_copy, lambda d: d["env_info"]["env_kwargs"].update(control_mode=mode))
    edit_json(demo_copy, lambda d: [episode.pop("control_mode") for episode in d["episodes"]])
    assert DemoFile(demo_copy).control_mode == ""


def test_bytes_damaged_anywhere_end_in_words(demo_copy):
    whole = (demo_copy / "trajectory.h5").read_bytes()
    random = np.random.default_rng(0)
    for _ in range(100):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[random.integers(0, len(damaged), 50)] = random.integers(0, 256, 50)
        (demo_copy / "trajectory.h5").write_bytes(damaged.tobytes()[: random.integers(len(whole) // 2, 2 * len(whole))])
        with suppress(DataError):
            DemoFile(demo_copy).problems()
