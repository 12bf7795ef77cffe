"""Evaluation in the simulator: the environment is the dataset's own, bounds are where they must be."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from support.checkpoints import make_checkpoint

from mstool.conventions import load_conventions
from mstool.evaluation.scene import Scene
from mstool.validators.data import DatasetView
from mstool.validators.frames import read_pictures
from mstool.validators.vectors import actions_of, state_of

# PSNR of stored pictures: H.264 loses about this much, dB.
LOSSY_DB = 28


@pytest.fixture(scope="module")
def act(pickcube, tmp_path_factory):
    return make_checkpoint(pickcube / "v3.0", tmp_path_factory.mktemp("runs") / "act")


def evaluate(*words):
    return [sys.executable, "-m", "mstool.cli", "eval", *map(str, words)]


def document(capsys):
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_replaying_a_dataset_gives_its_states_and_pictures(pickcube, version):
    """Frame by frame: the state bit for bit, the pictures exactly where they are stored without loss."""
    root = pickcube / version
    data, known = DatasetView(root, full=True), load_conventions(root)
    scene = Scene(known, "PickCube-v1")
    row, rows, line = data.episodes[1], list(data.rows())[1], known.episodes[1]
    states, actions = state_of(data, rows), actions_of(data, rows)
    moments = [0, 30, len(actions) - 1]
    stored = {c: read_pictures(data, row, c, moments) for c in data.cameras}
    scene.reset(int(line["seed"]))
    solved = False
    for step, action in enumerate(actions.astype(np.float32)):
        assert np.array_equal(scene.state(), states[step].astype(np.float32)), step
        if step in moments:
            for column, view in known.mstool["views"].items():
                seen = scene.images()[view].astype(float)
                kept = stored[column][moments.index(step)].astype(float)
                if version == "v2.1":
                    assert np.array_equal(seen, kept), (column, step)
                else:
                    assert 10 * np.log10(255**2 / ((seen - kept) ** 2).mean()) > LOSSY_DB, (column, step)
        solved = scene.step(action)
    scene.close()
    assert solved


def test_replay_solves_everything(mstool, pickcube, tmp_path, capsys):
    assert mstool("eval", "--policy", f"replay:{pickcube / 'v3.0'}", "--output", tmp_path, "--json") == 0
    found = document(capsys)
    assert found["total"]["success_at_end"]["successes"] == 2
    assert found["tasks"][0]["success_at_end"]["rate"] == 1.0
    steps = [line["frames"] for line in load_conventions(pickcube / "v3.0").episodes]
    assert [o["steps"] for o in found["tasks"][0]["outcomes"]] == steps
    assert "PickCube-v1" in (tmp_path / "report.md").read_text()


def test_random_solves_nothing_and_crashes_nothing(mstool, pickcube, tmp_path, capsys):
    code = mstool("eval", "--policy", "random", "--dataset", pickcube / "v3.0", "-n", 2, "--output", tmp_path, "--json")
    assert code == 0
    found = document(capsys)
    assert found["total"]["success_once"]["successes"] == 0
    assert [o["steps"] for o in found["tasks"][0]["outcomes"]] == [150, 150]


def test_training_seeds_are_refused(mstool, act, capsys):
    assert mstool("eval", "--policy", act, "--seed-start", 0, "-n", 1) == 2
    assert "fix: add --seed-start 2" in capsys.readouterr().err


def test_a_checkpoint_that_does_not_fit_is_an_error(mstool, act, tmp_path, capsys):
    import shutil

    run = shutil.copytree(act, tmp_path / "run", symlinks=True)
    path = run / "checkpoints/000001/pretrained_model/mstool_conventions.json"
    changed = json.loads(path.read_text())
    changed["features"]["observation.images.image"]["shape"] = [64, 64, 3]
    del changed["features"]["observation.images.image2"]
    path.write_text(json.dumps(changed))
    assert mstool("eval", "--policy", run, "-n", 1) == 1
    said = capsys.readouterr().err
    assert "observation.images.image has shape (3, 128, 128) in the policy, (3, 64, 64)" in said
    assert "observation.images.image2 is no column" in said
    changed["mstool"]["controller"]["rotation_rad"] = 0.1
    changed["features"] = load_conventions(act / "checkpoints/last/pretrained_model").features
    path.write_text(json.dumps(changed))
    assert mstool("eval", "--policy", run, "-n", 1, "--workers", 1) == 1
    assert "one unit of the controller's rotation_rad is -0.1" in capsys.readouterr().err


def test_interrupted_and_resumed_is_the_same_evaluation(act, tmp_path):
    """Ctrl-C after the first episode; the second run does the rest, with the outcomes of one that ran through."""
    short = ("--policy", act, "--episodes", 3, "--horizon", 12, "--workers", 1, "--json", "--video")
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    run = subprocess.Popen(
        evaluate(*short, tmp_path / "films", "--output", cut),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 400
    while not any(path.stat().st_size for path in cut.glob("outcomes-*.jsonl")):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert not (cut / "results.json").exists()

    outcomes = {}
    for folder in (cut, whole):
        done = subprocess.run(
            evaluate(*short, tmp_path / "films", "--output", folder), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        outcomes[folder] = [{**o, "seconds": 0} for o in found["tasks"][0]["outcomes"]]
        assert found["timing"]["kept_episodes"] == (1 if folder == cut else 0)
    assert outcomes[cut] == outcomes[whole]
    assert [o["seed"] for o in outcomes[cut]] == [10000, 10001, 10002]
    assert len(list((tmp_path / "films").glob("PickCube-v1_1000?_failure.mp4"))) == 3
    assert list((whole / "films").glob("PickCube-v1_failure_10000.png"))
    assert (whole / "report.md").exists()
