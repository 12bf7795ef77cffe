"""Fixtures of the hub tests; a test module imports those that it uses."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.converted import command, copied

from hub_server.server import HubServer


@pytest.fixture(autouse=True)
def hub_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token, no server of the machine's own, and the library's switches put back afterwards."""
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    # Set first, so that what `mstool.hub.endpoint.use` writes is undone.
    for name in ("HF_ENDPOINT", "HF_HUB_DISABLE_XET"):
        monkeypatch.setenv(name, "undone")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    loaded = sys.modules.get("huggingface_hub.constants")
    if loaded is not None:
        monkeypatch.setattr(loaded, "HF_HUB_DISABLE_XET", loaded.HF_HUB_DISABLE_XET)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The library's pauses between retries, skipped and listed."""
    import huggingface_hub._upload_large_folder as large
    import huggingface_hub.utils._http as http

    from mstool.hub import download

    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, time=time.time, monotonic=time.monotonic)
    for module in (http, download):
        monkeypatch.setattr(module, "time", clock)
    short = SimpleNamespace(sleep=lambda _: time.sleep(0.02), time=time.time)
    monkeypatch.setattr(large, "time", short)
    return slept


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """A running server with nothing in it."""
    with HubServer(tmp_path / "server") as server:
        yield server


@pytest.fixture(scope="session")
def pristine(pickcube: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset that `mstool convert` wrote, v3.0, validated."""
    root = copied(pickcube / "v3.0", tmp_path_factory.mktemp("hub") / "dataset")
    command("validate", root, "--against", "lerobot_pi05")
    return root


@pytest.fixture(scope="session")
def pristine_v21(pickcube: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in v2.1, with the pictures as images, validated."""
    root = copied(pickcube / "v2.1", tmp_path_factory.mktemp("hub") / "dataset_v21")
    command("validate", root, "--against", "pi05_libero")
    return root


@pytest.fixture
def dataset(pristine: Path, tmp_path: Path) -> Path:
    """A valid v3.0 dataset that a test may change."""
    return copied(pristine, tmp_path / "cube")


@pytest.fixture
def dataset_v21(pristine_v21: Path, tmp_path: Path) -> Path:
    """A valid v2.1 dataset that a test may change."""
    return copied(pristine_v21, tmp_path / "old")
