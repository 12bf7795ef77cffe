"""What a policy that is handed on says of itself: its evaluation, its training, and nothing of this machine."""

import json
import shutil

import pytest
from support.checkpoints import make_checkpoint
from support.simulation import RUNNER, Simulation

from mstool.evaluation.kept import best_known
from mstool.evaluation.policies.checkpoint import checkpoint_in


@pytest.fixture
def run(tiny, tmp_path):
    source = tiny.run("pickcube", "flow")
    return shutil.copytree(source, tmp_path / "runs/pick", symlinks=True, ignore=lambda *_: ["training_state"])


@pytest.fixture
def do(mstool, monkeypatch, tmp_path, capsys):
    """Run a command beside `runs`, its simulation apart; returns its JSON."""
    monkeypatch.setattr(RUNNER, Simulation)
    monkeypatch.chdir(tmp_path)

    def command(*words):
        assert mstool(*words, "--json") == 0
        return json.loads(capsys.readouterr().out)

    return command


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".safetensors"}


def test_the_evaluation_with_most_episodes_is_published(run, do, tmp_path):
    first = do("export", run, "--output", "none")
    assert first["evaluated"] is None
    assert "Evaluation" not in (tmp_path / "none/README.md").read_text()
    do("eval", "--policy", run, "-n", 1, "--replan", 1, "--workers", 1)
    do("eval", "--policy", run, "-n", 3, "--workers", 1)
    do("eval", "--policy", run, "-n", 2, "--horizon", 9, "--workers", 1)
    assert do("export", "runs/pick", "--output", "pick")["evaluated"] == 3
    found = json.loads((tmp_path / "pick/results.json").read_text())
    assert [outcome["seed"] for outcome in found["tasks"][0]["outcomes"]] == [10000, 10001, 10002]
    card = (tmp_path / "pick/README.md").read_text()
    assert "| `PickCube-v1` | 1 of 3 = 33 % | 6 to 79 % | 33 % | 150 | 10000..10002 |" in card
    assert "the one with most episodes. Actions executed of a chunk: 4." in card
    assert all(str(tmp_path).encode() not in data for data in files(tmp_path / "pick").values())


def test_an_export_of_an_export_has_the_results_that_lie_in_it(run, do, tmp_path):
    """Not those of a namesake in the folder where the command runs."""
    do("export", run, "--output", "before/pick")
    do("eval", "--policy", run, "-n", 1, "--workers", 1)
    do("export", run, "--output", "after/pick")
    # eval/pick
    content = do("eval", "--policy", "after/pick", "-n", 2, "--workers", 1)["configuration"]["policy"]["content"]
    assert do("export", "before/pick", "--output", "again/before")["evaluated"] is None
    assert do("export", "after/pick", "--output", "again/after")["evaluated"] == 1
    given, again = files(tmp_path / "after/pick"), files(tmp_path / "again/after")
    assert {name for name in given if given[name] != again[name]} == {"README.md"}  # its name
    assert (
        do("eval", "--policy", "before/pick", "-n", 1, "--workers", 1)["configuration"]["policy"]["content"] == content
    )


def test_results_of_other_weights_are_not_published(run, do):
    do("eval", "--policy", run, "-n", 1, "--workers", 1)
    model = checkpoint_in(run)
    assert best_known(model)["total"]["success_once"]["episodes"] == 1
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "num_inference_steps": 3}))
    assert best_known(model) is None


def test_the_card_says_how_long_was_trained(run, do, tmp_path):
    trained = json.loads((checkpoint_in(run) / "mstool_run.json").read_text())["trained"]
    do("export", run, "--output", "pick")
    card = (tmp_path / "pick/README.md").read_text()
    assert f"| length | 1 steps, {trained['epochs']:g} epochs |" in card
    assert f"| last loss | {trained['loss']:.4g} |" in card
    assert trained["loss"] > 0.0135
    assert "Probably under-trained: policies that solve their tasks end with a loss below 0.0135, after" in card


def test_a_run_that_began_with_another_s_weights_names_no_folder(run, do, tiny, tmp_path):
    later = make_checkpoint(tiny.data("pickcube"), tmp_path / "runs/later", "flow", init=str(checkpoint_in(run)))
    assert str(tmp_path) in (checkpoint_in(later) / "config.json").read_text()
    do("export", later, "--output", "later")
    assert all(str(tmp_path).encode() not in data for data in files(tmp_path / "later").values())
    assert "weights of pick@000001" in (tmp_path / "later/README.md").read_text()
    assert do("eval", "--policy", "later", "-n", 1, "--workers", 1)["total"]["crashed"] == 0


def test_where_an_older_version_s_training_began_is_named_without_its_folder(run, do, tmp_path):
    path = checkpoint_in(run) / "mstool_run.json"
    start = f"LoRA adapters on weights of {tmp_path}/runs/base/checkpoints/000007/pretrained_model"
    path.write_text(json.dumps({**json.loads(path.read_text()), "start": start}))
    do("export", run, "--output", "pick")
    assert json.loads((tmp_path / "pick/mstool_run.json").read_text())["start"] == (
        "LoRA adapters on weights of base@000007"
    )


def test_adapters_on_weights_that_nobody_else_has_are_refused(run, mstool, tmp_path, capsys):
    (checkpoint_in(run) / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/weights/base"}))
    assert mstool("export", run, "--output", tmp_path / "pick") == 1
    assert "adapters on the weights in /weights/base, which nobody else has" in capsys.readouterr().err
    assert not (tmp_path / "pick").exists()
