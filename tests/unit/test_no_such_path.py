"""A path that does not exist is a mistake of the command line (exit code 2), whichever command it is given to."""

import json

import pytest

from mstool.api.claims import from_file
from mstool.errors import DataError, UsageError
from mstool.evaluation.results import read_results

WORDS = [
    ("convert", "--env", "PickCube-v1", "--demos", "nope"),
    ("build", "nope.yaml"),
    ("build", "."),
    ("eval", "--compare", "nope", "nope"),
    ("push", "nope", "--dry-run"),
    ("push", "nope", "--repo-id", "me/x", "--dry-run"),
    ("pull", "me/x", "--manifest", "nope.yaml"),
    ("validate", "nope"),
    ("merge", "nope", "other", "--output", "out"),
]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_it_is_a_usage_error_that_names_it_and_a_fix(mstool, capsys, monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    assert mstool(*words, "--json") == 2
    said = json.loads(capsys.readouterr().out)
    path = next(word for word in words if word.startswith(("nope", ".")))
    assert path in said["error"]
    assert said["fix"]
    assert "on a hub" not in said["error"]


def test_a_folder_without_results_is_there(tmp_path):
    with pytest.raises(DataError, match="no such results"):
        read_results(tmp_path)


def test_claims_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        from_file(tmp_path / "nope.yaml")


@pytest.mark.parametrize("command", [("export", "--output", "out"), ("push", "--repo-id", "me/x")])
def test_what_may_be_a_run_or_a_dataset_is_told_as_both(mstool, capsys, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    assert mstool(command[0], "runs/missing", *command[1:]) == 2
    said = capsys.readouterr().err
    assert "runs/missing does not exist: neither a dataset nor a trained policy" in said
    assert said.endswith("fix: mstool finetune DATASET --output runs/missing\n")
    (tmp_path / "runs/lift/checkpoints/000005/pretrained_model").mkdir(parents=True)
    (tmp_path / "runs/lift/checkpoints/last").symlink_to("000005")
    (tmp_path / "runs/lift/checkpoints/000005/pretrained_model/config.json").write_text("{}")
    assert mstool(command[0], "runs/lifd", *command[1:]) == 2
    assert f"fix: mstool {command[0]} runs/lift {' '.join(command[1:])}\n" in capsys.readouterr().err


def test_a_dataset_of_nearly_that_name_is_meant(mstool, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/PickCube-v1/meta").mkdir(parents=True)
    (tmp_path / "data/PickCube-v1/meta/info.json").write_text("{}")
    assert mstool("stats", "data/PickCub-v1", "--horizon", 5) == 2
    assert capsys.readouterr().err.endswith("fix: mstool stats data/PickCube-v1 --horizon 5\n")


def test_checks_of_which_none_is_left_are_not_called_valid(mstool, capsys, pickcube):
    assert mstool("validate", pickcube / "v3.0", "--select", "MS505", "--ignore", "MS5") == 2
    assert "--ignore leaves none of the checks" in capsys.readouterr().err


def test_an_output_that_is_taken_is_told_with_a_free_one(mstool, capsys, pickcube):
    data = pickcube / "v3.0"
    assert mstool("export", data, "--format", "v2.1", "-o", data) == 2
    assert capsys.readouterr().err.endswith(f"--output {data}-2\n")
