import os
import subprocess
import sys

import pytest
from hub_server.fixtures import hub_environment  # noqa: F401

from mstool.errors import UsageError
from mstool.hub.endpoint import DEFAULT, Endpoint, choose


def test_option_then_manifest_then_environment_then_default(monkeypatch):
    assert choose(None) == Endpoint(DEFAULT, "the default")
    monkeypatch.setenv("HF_ENDPOINT", "https://env.example/")
    assert choose(None) == Endpoint("https://env.example", "HF_ENDPOINT")
    assert choose(None, "https://manifest.example") == Endpoint("https://manifest.example", "the manifest")
    assert choose("http://option.example/hub/", "https://m.example") == Endpoint(
        "http://option.example/hub", "--endpoint"
    )


@pytest.mark.parametrize("url", ["hf-mirror.example", "ftp://a.example", "https://", "//a.example", "http:///x"])
def test_no_address(url):
    with pytest.raises(UsageError) as error:
        choose(url)
    assert "--endpoint" in error.value.message
    assert error.value.fix


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(UsageError) as error:
        choose("https://me:geheim@hub.example")
    assert "geheim" not in error.value.message + error.value.fix
    assert "hub.example" in error.value.fix


def test_only_plain_http_beyond_loopback_is_in_the_clear():
    assert Endpoint("http://hub.example", "").in_the_clear
    assert not Endpoint("http://127.0.0.1:80", "").in_the_clear
    assert not Endpoint("https://hub.example", "").in_the_clear


def run(code, **environment):
    keep = {k: v for k, v in os.environ.items() if k not in {"HF_ENDPOINT", "HF_HUB_DISABLE_XET"}}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=keep | environment, check=True
    )
    return done.stdout.split()


SHOW = """
from huggingface_hub import constants
from huggingface_hub.utils._runtime import is_xet_available
print(constants.ENDPOINT, is_xet_available(), api.endpoint)
"""
CONNECT = """
from mstool.hub.client import connect
from mstool.hub.endpoint import choose
api = connect(choose({url!r}))
"""


def test_the_environment_is_set_before_the_library_is_imported():
    mirror = "https://mirror.example"
    assert run(CONNECT.format(url=mirror) + SHOW) == [mirror, "False", mirror]
    hub = "https://huggingface.co"
    assert run(CONNECT.format(url=hub) + SHOW, HF_ENDPOINT=mirror) == [hub, "True", hub]
    # Someone who knows better keeps the last word.
    assert run(CONNECT.format(url=mirror) + SHOW, HF_HUB_DISABLE_XET="0")[1] == "True"


def test_an_earlier_import_with_another_server_is_corrected():
    before = "import huggingface_hub.constants, huggingface_hub\n"
    shown = run(before + CONNECT.format(url="https://mirror.example") + SHOW, HF_ENDPOINT="https://old.example")
    assert shown == ["https://old.example", "False", "https://mirror.example"]


def test_nothing_of_the_package_imports_the_library_or_torch():
    code = (
        "import sys, mstool.cli.push, mstool.cli.pull, mstool.hub.push, mstool.hub.pull, mstool.hub.write_back\n"
        "print([m for m in ('torch', 'huggingface_hub', 'lerobot', 'pyarrow', 'av') if m in sys.modules])"
    )
    assert run(code) == ["[]"]
