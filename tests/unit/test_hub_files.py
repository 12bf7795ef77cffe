"""Whether a hub would give what is missing is known in seconds, whatever that hub does."""

import json
import socket
import time

import pytest
from hub_server.server import HubServer
from huggingface_hub import constants

from mstool.hub_files import checkpoint_parts, find_files, hub_refusal, offline


@pytest.fixture
def hub(monkeypatch):
    """Set the hub's address, as HF_ENDPOINT does at the start of a process."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def use(address):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        path = constants.HUGGINGFACE_CO_URL_TEMPLATE.partition("/{repo_id}")
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + path[1] + path[2])

    return use


def test_nobody_listens(hub):
    hub("http://127.0.0.1:9")
    began = time.monotonic()
    found = find_files("owner/name", ["config.json"], gigabytes=3)
    assert time.monotonic() - began < 60  # busy machines; trying again would take minutes
    assert not found.cached
    assert found.missing.startswith("not on this machine (about 3 GB), and http://127.0.0.1:9 cannot be reached (")
    assert found.download == "HF_ENDPOINT=https://MIRROR hf download owner/name"


def test_somebody_listens_and_never_answers(hub):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        hub(f"http://127.0.0.1:{mute.getsockname()[1]}")
        began = time.monotonic()
        assert find_files("owner/name", ["config.json"]).missing
        assert find_files("owner/other", ["config.json"]).missing
        assert time.monotonic() - began < 60


def test_an_address_that_is_none(hub):
    hub("no address")
    assert "no address cannot be reached" in find_files("owner/name", ["config.json"]).missing


def test_a_hub_that_answers(hub, tmp_path):
    with HubServer(tmp_path) as server:
        hub(server.endpoint)
        found = find_files("owner/name", ["config.json"])
    assert found.missing == (
        f"not on this machine, and {server.endpoint} has no such repository (a private one needs: hf auth login)"
    )
    assert found.download == "hf download owner/name"


def test_what_is_in_the_cache_needs_no_hub(hub, tmp_path, monkeypatch):
    hub("http://127.0.0.1:10")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--owner--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = tmp_path / "models--owner--name" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    found = find_files("owner/name", ["config.json"])
    assert (found.cached, found.missing) == (True, "")
    assert not find_files("owner/name", ["config.json", "model.safetensors"]).cached


def test_offline(hub):
    hub("http://127.0.0.1:9")
    with offline():
        assert hub_refusal() == "HF_HUB_OFFLINE forbids to ask the hub"
        found = find_files("owner/name", ["config.json"])
    assert found.download == "HF_HUB_OFFLINE=0 hf download owner/name"
    assert hub_refusal() != "HF_HUB_OFFLINE forbids to ask the hub"


def test_what_a_checkpoint_names_elsewhere(hub, tmp_path):
    hub("http://127.0.0.1:9")
    (tmp_path / "tokenizer").mkdir()
    step = {"registry_name": "tokenizer_processor", "config": {"tokenizer_name": "google/paligemma-3b-pt-224"}}
    local = {"registry_name": "tokenizer_processor", "config": {"tokenizer_name": str(tmp_path / "tokenizer")}}
    documents = {
        "policy_preprocessor.json": {"steps": [{"registry_name": "to_batch_processor"}, step, local]},
        "config.json": {"type": "smolvla", "vlm_model_name": "owner/vlm"},
        "adapter_config.json": {"base_model_name_or_path": "owner/base"},
    }
    assert checkpoint_parts(tmp_path) == []
    for name, document in documents.items():
        (tmp_path / name).write_text(json.dumps(document))
    parts = checkpoint_parts(tmp_path)
    assert [part.name for part in parts] == ["google/paligemma-3b-pt-224", "owner/vlm", "owner/base"]
    assert all("cannot be reached" in part.missing for part in parts)
