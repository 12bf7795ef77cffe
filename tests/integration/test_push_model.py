"""`mstool push` of a trained policy: what a model repository holds, and that it is still the policy."""

import json
from pathlib import Path

import pytest
import torch
from hub_server.fixtures import hub, hub_environment  # noqa: F401
from safetensors.torch import load_file
from support.converted import command

from mstool.errors import UsageError
from mstool.evaluation.policies.checkpoint import find_checkpoint
from mstool.folders import writing_alone

REPO = "me/pick"
MOST_BYTES = 80_000_000


@pytest.fixture(scope="module")
def run(made):
    return made("flow")


def push(run, hub, *more):  # noqa: F811
    return command("push", run, "--repo-id", REPO, "--endpoint", hub.endpoint, "--json", *more)


@pytest.fixture
def fetched(run, hub, tmp_path):  # noqa: F811
    """What the server holds after a push, as a folder; and the push's report."""
    report = json.loads(push(run, hub, "--license", "mit").stdout)
    folder = tmp_path / "fetched"
    folder.mkdir()
    for path, entry in hub.store.files(REPO, "main").items():
        if path.startswith("."):  # the hub's own
            continue
        (folder / path).write_bytes(hub.store.content(entry).read_bytes())
    return folder, report


def test_it_holds_what_evaluation_needs_and_nothing_of_this_machine(run, hub, fetched):  # noqa: F811
    folder, report = fetched
    assert report["verified"] == report["files"] == len(list(folder.iterdir()))
    assert not report["tagged"]
    assert find_checkpoint(str(folder)) == folder.resolve()
    assert not (folder / "train_config.json").exists()
    assert "command" not in json.loads((folder / "mstool_run.json").read_text())
    card = (folder / "README.md").read_text()
    for words in ("license: mit", "library_name: lerobot", "PickCube-v1", f"mstool eval --policy {REPO}", "libero"):
        assert words in card
    assert all(str(run.parent) not in path.read_text(errors="replace") for path in folder.glob("*.json"))
    assert (folder / "model.safetensors").stat().st_size < MOST_BYTES
    assert json.loads(push(run, hub, "--license", "mit").stdout)["upload_bytes"] == 0


def test_the_same_observation_gives_the_same_actions(run, fetched):
    from mstool.training.flow.modeling_flow import FlowPolicy

    folder, _ = fetched
    own = find_checkpoint(str(run))
    theirs, ours = FlowPolicy.from_pretrained(folder), FlowPolicy.from_pretrained(own)
    stored = load_file(folder / "model.safetensors")
    assert {value.dtype for value in stored.values() if value.is_floating_point()} == {torch.bfloat16}
    # Who goes on with the training begins with the average.
    torch.testing.assert_close(theirs.model.state_dict(), theirs.average.state_dict())
    draw = torch.Generator().manual_seed(0)
    batch = {name: torch.rand(1, 3, 128, 128, generator=draw) for name in ours.cameras}
    batch |= {
        "observation.state": torch.zeros(1, 8),
        "observation.language.tokens": torch.ones(1, ours.config.max_words, dtype=torch.long),
    }
    noise = torch.randn(1, ours.config.chunk_size, 7, generator=draw)
    chunks = [policy.predict_action_chunk(dict(batch), noise) for policy in (ours, theirs)]
    assert (chunks[0] - chunks[1]).abs().max() < 0.05 < chunks[0].abs().max()


def test_export_writes_the_same_into_a_folder(run, fetched, tmp_path, mstool, capsys):
    folder, _ = fetched
    output = tmp_path / "pick"
    with writing_alone(output, "another export writes into"):
        assert mstool("export", run, "--output", output) == UsageError.exit_code
    assert mstool("export", run, "--output", output) == 0
    assert "bfloat16" in capsys.readouterr().out
    assert {path.name for path in output.iterdir()} == {path.name for path in folder.iterdir()}
    for path in output.glob("*.safetensors"):
        assert path.read_bytes() == (folder / path.name).read_bytes()
    card = (output / "README.md").read_text()
    assert "mstool eval --policy pick\n" in card
    assert "of `PickCube-v1`" in card
    assert mstool("export", run, "--output", output) == UsageError.exit_code
    assert "--overwrite" in capsys.readouterr().err
    assert mstool("export", output, "--output", tmp_path / "again") == 0  # of what was exported
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (output / "model.safetensors").read_bytes()


def test_what_was_exported_is_pushed(run, hub, fetched, tmp_path):  # noqa: F811
    folder, _ = fetched
    command("export", run, "--output", tmp_path / "pick")
    report = json.loads(push(tmp_path / "pick", hub, "--license", "mit").stdout)
    assert (report["verified"], report["upload_bytes"]) == (report["files"], 0)  # the run itself was pushed before
    assert report["files"] == len(list(folder.iterdir()))


@pytest.mark.parametrize("moment", ["weights", "old away", "new in place"])
def test_ctrl_c_leaves_what_was_there(run, tmp_path, mstool, monkeypatch, capsys, moment):
    output = tmp_path / "pick"
    assert mstool("export", run, "--output", output) == 0
    (output / "README.md").write_text("mine")
    before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    rename = Path.rename

    def interrupted(path, target):
        if moment == ("new in place" if path.name == "new" else "old away") and target.parent != output:
            monkeypatch.undo()
            raise KeyboardInterrupt
        return rename(path, target)

    def weights(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    if moment == "weights":
        monkeypatch.setattr("mstool.training.publish._as_bfloat16", weights)
    assert mstool("export", run, "--output", output, "--overwrite") != 0
    assert "Traceback" not in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in output.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["pick"]


def test_export_overwrites_no_folder_that_is_no_policy(run, tmp_path, mstool, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert mstool("export", run, "--output", tmp_path, "--overwrite") == UsageError.exit_code
    assert mstool("export", run, "--output", tmp_path / "pick", "--format", "v2.1") == UsageError.exit_code
    assert "--format" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_belongs_to_datasets_is_refused(run, tmp_path, mstool, capsys):
    assert mstool("push", run, "--repo-id", REPO, "--tag") == UsageError.exit_code
    assert "is a trained policy" in capsys.readouterr().err
