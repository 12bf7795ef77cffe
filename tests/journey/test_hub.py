"""From a dataset to a hub and back: push and pull of what each step of the journey wrote.

The first step's commands are fresh processes, with the server in their environment; the others are told it by a word.
"""

import json
import os

import pytest
from hub_server.server import HubServer
from support.converted import command, copied
from support.proofs import some
from support.records import drop_record

from mstool.dataset.fingerprint import content_hash

STEPS = ["pick/v3.0", "pick/v2.1", "pick_images", "pick_droid", "merged", "exported"]


@pytest.fixture
def hub(tmp_path):
    with HubServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def online(hub):
    """Run a command that speaks with the hub."""
    environment = {**os.environ, "HF_TOKEN": "hf_test", "NO_PROXY": "127.0.0.1"}

    def run(*words, code=0, fresh=False):
        if fresh:
            return command(*words, code=code, env={**environment, "HF_ENDPOINT": hub.endpoint}, fresh=True)
        return command(*words, "--endpoint", hub.endpoint, code=code, env=environment)

    return run


@pytest.mark.parametrize("step", some(STEPS, {"pick/v3.0", "exported"}.__contains__))
def test_push_and_pull_of_what_was_written(made, tmp_path, online, step):
    fresh = step == STEPS[0]
    name, _, version = step.partition("/")
    root = copied(made(name) / version, tmp_path / "data")
    # `finetune`, which other tests start on the same dataset, keeps its verdict there.
    (root / "meta/mstool/validation.json").unlink(missing_ok=True)
    refused = online("push", root, "--repo-id", "me/data", code=1)
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("fix: ")]
    # The fix is a command that works as it stands.
    command(*line.removeprefix("fix: mstool ").split())
    planned = online("push", root, "--repo-id", "me/data", "--dry-run")
    assert "meta/info.json" in planned.stdout
    assert not list((tmp_path / "server").rglob("me*data*"))
    online("push", root, "--repo-id", "me/data", fresh=fresh)
    online("pull", "me/data", "--output", tmp_path / "got", fresh=fresh)
    assert content_hash(tmp_path / "got") == content_hash(root)
    card = (tmp_path / "got/README.md").read_text()
    assert "| PickCube-v1 demos |" in card
    assert ("| PushCube-v1 demos |" in card) == (name in {"merged", "exported"})
    shown = json.loads(command("show", tmp_path / "got", "--json").stdout)
    assert shown["episodes"] == json.loads((root / "meta/info.json").read_text())["total_episodes"]
    again = online("push", tmp_path / "got", "--repo-id", "me/data")
    assert "sent 0 of" in again.stderr


def test_a_dataset_whose_record_another_tool_dropped(made, tmp_path, online):
    root = copied(made("pick") / "v3.0", tmp_path / "data")
    drop_record(root)
    refused = online("push", root, "--repo-id", "me/data", code=1)
    assert f"fix: mstool validate {root} --against lerobot_pi05" in refused.stderr
    online("push", root, "--repo-id", "me/data", "--force")
    online("pull", "me/data", "--output", tmp_path / "got")
    assert content_hash(tmp_path / "got") == content_hash(root)
    assert "Conventions" not in (tmp_path / "got/README.md").read_text()
