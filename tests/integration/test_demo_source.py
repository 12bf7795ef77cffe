"""Where demos come from: a hub on loopback, the caches, the planner, and in which order."""

import shutil
import socket
import time

import pytest
from conftest import DEMOS
from hub_server.fixtures import hub, hub_environment  # noqa: F401
from hub_server.server import User

from mstool.errors import DataError, MstoolError
from mstool.maniskill2lerobot import demos as source
from mstool.simulators.maniskill.demos import hub as demos_hub


@pytest.fixture
def here(monkeypatch, tmp_path):
    """An empty folder to work in, and no ManiSkill assets of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MS_ASSET_DIR", str(tmp_path / "assets"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def official(hub, here, monkeypatch):  # noqa: F811
    """A hub that holds PickCube's archive, packed as ManiSkill packs it."""
    from huggingface_hub import HfApi, constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # mirrors have none
    packed = here / "packed"
    shutil.copytree(DEMOS / "PickCube-v1", packed / "PickCube-v1")
    archive = shutil.make_archive(str(here / "PickCube-v1"), "zip", packed)
    hub.users["hf_test"] = User("me", ("haosulab",))
    api = HfApi(endpoint=hub.endpoint)
    api.create_repo(demos_hub.REPO, repo_type="dataset", exist_ok=True)
    for name in ("PickCube-v1", "Broken-v1"):
        body = archive if name == "PickCube-v1" else b"no archive"
        api.upload_file(
            path_or_fileobj=body, path_in_repo=f"demos/{name}.zip", repo_id=demos_hub.REPO, repo_type="dataset"
        )
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    return hub


def opened(where, **changes):
    said: list[str] = []
    options = {"episodes": None, "seed": 0, "notify": said.append} | changes
    return source.open_demos("PickCube-v1", where, **options), said


def test_the_hub_is_asked_once(official):
    found, said = opened("hub")
    assert found.origin == "hub"
    assert len(found.demos) == 4
    assert official.endpoint in said[0]
    official.log.clear()
    again, said = opened(None)
    assert again.demos.path == found.demos.path
    assert said == ["demos: data/demos/PickCube-v1/hub (local cache)"]
    assert not official.log


def test_default_is_the_hub_when_it_answers(official):
    found, said = opened(None)
    assert found.origin == "hub"
    assert demos_hub.REPO in said[0]


def test_no_archive_for_an_environment(official):
    with pytest.raises(DataError, match=r"has no demos/StackCube-v1\.zip") as error:
        source.open_demos("StackCube-v1", "hub", episodes=None, seed=0, notify=print)
    assert error.value.fix == "mstool convert --env StackCube-v1 --demos generate"


def test_an_archive_that_is_none(official, here):
    with pytest.raises(DataError, match="is not a zip archive"):
        demos_hub.download_demos("Broken-v1", here / "out")
    assert list((here / "out").iterdir()) == []


def test_a_hub_that_cannot_be_reached(here, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # huggingface_hub tries six times in 23 s
    assert not demos_hub.reachable()
    with pytest.raises(MstoolError, match="cannot be reached") as error:
        opened("hub")
    assert error.value.message.endswith("; set HF_ENDPOINT to a mirror, or have the demos generated")
    assert error.value.fix == "mstool convert --env PickCube-v1 --demos generate"
    assert error.value.change == {"--demos": "generate"}
    with pytest.raises(MstoolError, match=r"cannot be reached.* or give --demos FILE\.h5$") as error:
        source.open_demos("PokeCube-v1", "hub", episodes=None, notify=print)
    assert (error.value.fix, error.value.change) == (
        "HF_ENDPOINT=https://MIRROR mstool convert --env PokeCube-v1 --demos hub",
        None,
    )


def test_generated_when_nothing_else_is_there_and_only_once(here, monkeypatch):
    monkeypatch.setattr(demos_hub, "reachable", lambda: False)
    found, said = opened(None, episodes=1)
    assert found.origin == "generate"
    assert "generating 1" in said[0]
    again, said = opened("generate", episodes=1)
    assert again.demos.path == found.demos.path
    assert "generated before" in said[0]


def test_a_cache_with_too_few_is_passed_over(here, monkeypatch):
    shutil.copytree(DEMOS / "PickCube-v1", here / "assets" / "demos" / "PickCube-v1")
    found, said = opened(None, episodes=4)
    assert found.origin == "local"
    assert "(local cache)" in said[0]
    monkeypatch.setattr(demos_hub, "reachable", lambda: True)
    monkeypatch.setattr(demos_hub, "download_demos", lambda *_: here / "assets" / "demos" / "PickCube-v1")
    assert opened(None, episodes=5)[0].origin == "hub"
