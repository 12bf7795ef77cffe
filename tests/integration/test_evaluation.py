"""Evaluation in the simulator: the environment is the dataset's own, bounds are where they must be."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from support import forked
from support.simulation import RUNNER, Simulation

from mstool.dataset.conventions import load_conventions
from mstool.dataset.vectors import actions_of, state_of
from mstool.dataset.view import DatasetView
from mstool.evaluation.diagnose.pictures import psnr
from mstool.evaluation.scene import Scene
from mstool.folders import writing_alone

# PSNR of stored pictures: H.264 loses down to the first; states that differ by 1e-7 move an edge by a pixel, dB.
LOSSY_DB, LOSSLESS_DB = 28, 45


@pytest.fixture
def act(tiny):
    return tiny.run("pickcube")


# A shell starts background jobs with Ctrl-C ignored, which children inherit.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from mstool.cli.main import main
if __name__ == "__main__":
    main()
"""


def evaluate(*words):
    return [sys.executable, "-c", MAIN, "eval", *map(str, words)]


def document(capsys):
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_replaying_a_dataset_gives_its_states_and_pictures(pickcube, version):
    """Frame by frame; actions went through float32 in the layout's units, so equal bits last only for some steps."""
    root = pickcube / version
    data, known = DatasetView(root), load_conventions(root)
    row, rows, line = data.episodes[1], list(data.rows())[1], known.episodes[1]
    states, actions = state_of(data, rows).astype(np.float32), actions_of(data, rows).astype(np.float32)
    moments = [0, 30, len(actions) - 1]
    stored = {column: data.pictures(row, column, moments) for column in data.cameras}
    scene = Scene(known, "PickCube-v1")
    scene.reset(int(line["seed"]))
    seen, solved = [], False
    for step, action in enumerate(actions):
        seen.append(scene.state())
        for column, view in known.record.views.items() if step in moments else ():
            picture, kept = scene.images()[view], stored[column][moments.index(step)]
            if step == 0 and version == "v2.1":
                assert np.array_equal(picture, kept), column
            assert psnr(picture, kept) > (LOSSY_DB if version == "v3.0" else LOSSLESS_DB), (column, step)
        solved = scene.step(action)
    scene.close()
    assert solved
    assert np.array_equal(seen[:10], states[:10])
    np.testing.assert_allclose(seen, states, atol=1e-5)


def test_replay_solves_everything(mstool, pickcube, tmp_path, capsys):
    words = ("--policy", f"replay:{pickcube / 'v3.0'}", "--episodes", 3, "--output", tmp_path, "--json")
    assert mstool("eval", *words) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    fewer = "v3.0 holds 2 episodes of PickCube-v1 to replay, fewer than the 3 asked for"
    assert f"warning: {fewer}\n" in told.err
    assert fewer in found["notes"]
    assert found["total"]["success_at_end"]["successes"] == 2
    assert found["tasks"][0]["success_at_end"]["rate"] == 1.0
    steps = [line["frames"] for line in load_conventions(pickcube / "v3.0").episodes]
    assert [o["steps"] for o in found["tasks"][0]["outcomes"]] == steps
    assert "PickCube-v1" in (tmp_path / "report.md").read_text()


def test_random_solves_nothing_and_crashes_nothing(mstool, made, tmp_path, capsys):
    words = ("--dataset", made("pick") / "v3.0", "-n", 2, "--workers", 1, "--output", tmp_path, "--json")
    assert mstool("eval", "--policy", "random", *words) == 0
    found = document(capsys)
    assert found["total"]["success_once"]["successes"] == 0
    assert [o["steps"] for o in found["tasks"][0]["outcomes"]] == [150, 150]


def test_one_evaluation_at_a_time_writes_into_a_folder(mstool, made, tmp_path, capsys):
    data, output = made("pick") / "v3.0", tmp_path / "eval" / "random"
    words = ("--policy", "random", "--dataset", data, "-n", 1, "--workers", 1, "--horizon", 2, "--output", output)
    with writing_alone(output, "another evaluation writes into"):
        assert mstool("eval", *words) == 2
        told = capsys.readouterr().err
        assert f"error: another evaluation writes into {output}: wait for it to end\nfix: mstool eval --policy " in told
        assert not output.exists()
    assert mstool("eval", *words) == 0
    assert [path.name for path in output.parent.iterdir()] == ["random"]


def test_training_seeds_are_refused(mstool, act, capsys):
    assert mstool("eval", "--policy", act, "--seed-start", 0, "-n", 1) == 2
    assert f"fix: mstool eval --policy {act} -n 1 --seed-start 2\n" in capsys.readouterr().err


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
    assert "observation.images.image2 is not a column" in said
    changed["mstool"]["controller"]["rotation_rad"] = 0.1
    changed["features"] = load_conventions(act / "checkpoints/last/pretrained_model").features
    path.write_text(json.dumps(changed))
    assert mstool("eval", "--policy", run, "-n", 1, "--workers", 1) == 1
    assert "one unit of the controller's rotation_rad is -0.1" in capsys.readouterr().err


def test_interrupted_and_resumed_is_the_same_evaluation(mstool, act, tmp_path, capsys):
    """Ctrl-C after the first episode; the second run does the rest, with the outcomes of one that ran through."""
    short = ("--policy", act, "--episodes", 2, "--horizon", 12, "--workers", 1, "--json")
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    run = forked.start(
        evaluate(*short, "--output", cut),
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
    assert "error: interrupted; episodes that had ended are kept" in said
    assert "Traceback" not in said
    assert not (cut / "results.json").exists()

    outcomes = {}
    for folder, more, kept in ((cut, (), 1), (whole, ("--video", tmp_path / "videos"), 0)):
        assert mstool("eval", *short, "--output", folder, *more) == 0
        found = document(capsys)
        outcomes[folder] = [{**o, "seconds": 0} for o in found["tasks"][0]["outcomes"]]
        assert found["timing"]["kept_episodes"] == kept
    assert outcomes[cut] == outcomes[whole]
    assert [o["seed"] for o in outcomes[cut]] == [10000, 10001]
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == [
        "PickCube-v1_10000_failure.mp4",
        "PickCube-v1_10001_failure.mp4",
    ]
    assert (whole / "films/PickCube-v1_failure_10000.png").is_file()
    assert (whole / "report.md").is_file()


def test_a_diagnosis_names_what_is_wrong(mstool, act, pickcube, tmp_path, capsys, monkeypatch):
    """An untrained policy on the dataset it should know: the cameras are right, the actions are not.

    It takes nothing away from the evaluation that lies where it is told to write.
    """
    with monkeypatch.context() as patched:
        patched.setattr(RUNNER, Simulation)
        assert mstool("eval", "--policy", act, "-n", 2, "--horizon", 20, "--workers", 1, "--output", tmp_path) == 0
    evaluated = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert {path.suffix for path in evaluated} == {".json", ".jsonl", ".md"}
    capsys.readouterr()
    code = mstool(
        *("eval", "--policy", act, "--diagnose", "--dataset", pickcube / "v3.0", "-n", 1, "--horizon", 20),
        *("--workers", 1, "--output", tmp_path, "--json"),
    )
    assert code == 0
    found = document(capsys)["diagnosis"]
    said = " ".join(found["findings"])
    assert "it has not learned its training data" in said
    assert "camera" not in said
    assert "0 of 2 episodes of the dataset's own seeds are solved" in said
    assert len(found["actions"]) == 7
    assert [row["dimension"] for row in found["states"]][:3] == ["x", "y", "z"]
    assert all(row["psnr_db"] > LOSSY_DB for row in found["first_pictures"])
    assert len(found["first_pictures"]) == 4
    assert {row["episodes"] for row in found["open_loop"]} == {"stored, trained on"}
    (place,) = tmp_path.glob("other-*")
    assert "## Diagnosis" in (place / "report.md").read_text()
    assert all(path.read_bytes() == data for path, data in evaluated.items())
