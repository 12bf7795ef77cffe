"""From a dataset to a hub and back: push and pull of what each step of the journey wrote."""

import json
import os

import pytest
from hub_server.server import HubServer
from support.converted import command, copied
from support.records import drop_record

from mstool.dataset.fingerprint import content_hash

STEPS = ["pick/v3.0", "pick/v2.1", "pick_images", "pick_droid", "merged", "exported"]


@pytest.fixture
def hub(tmp_path):
    with HubServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def environment(hub):
    return {**os.environ, "HF_TOKEN": "hf_test", "HF_ENDPOINT": hub.endpoint, "NO_PROXY": "127.0.0.1"}


@pytest.mark.parametrize("step", STEPS)
def test_push_and_pull_of_what_was_written(made, tmp_path, hub, environment, step):
    name, _, version = step.partition("/")
    root = copied(made(name) / version, tmp_path / "data")
    # `finetune`, which other tests start on the same dataset, keeps its verdict there.
    (root / "meta/mstool/validation.json").unlink(missing_ok=True)
    refused = command("push", root, "--repo-id", "me/data", env=environment, code=1)
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("fix: ")]
    # The fix is a command that works as it stands.
    command(*line.removeprefix("fix: mstool ").split())
    planned = command("push", root, "--repo-id", "me/data", "--dry-run", env=environment)
    assert "meta/info.json" in planned.stdout
    assert not list((tmp_path / "server").rglob("me*data*"))
    command("push", root, "--repo-id", "me/data", env=environment)
    command("pull", "me/data", "--output", tmp_path / "got", env=environment)
    assert content_hash(tmp_path / "got") == content_hash(root)
    card = (tmp_path / "got/README.md").read_text()
    assert "| PickCube-v1 demos |" in card
    assert ("| PushCube-v1 demos |" in card) == (name in {"merged", "exported"})
    shown = json.loads(command("show", tmp_path / "got", "--json").stdout)
    assert shown["episodes"] == json.loads((root / "meta/info.json").read_text())["total_episodes"]
    again = command("push", tmp_path / "got", "--repo-id", "me/data", env=environment)
    assert "sent 0 of" in again.stderr


def test_a_dataset_whose_record_another_tool_dropped(made, tmp_path, environment):
    root = copied(made("pick") / "v3.0", tmp_path / "data")
    drop_record(root)
    refused = command("push", root, "--repo-id", "me/data", env=environment, code=1)
    assert f"fix: mstool validate {root} --against lerobot_pi05" in refused.stderr
    command("push", root, "--repo-id", "me/data", "--force", env=environment)
    command("pull", "me/data", "--output", tmp_path / "got", env=environment)
    assert content_hash(tmp_path / "got") == content_hash(root)
    assert "Conventions" not in (tmp_path / "got/README.md").read_text()
