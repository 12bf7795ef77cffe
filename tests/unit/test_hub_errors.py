"""Every status and every break, in words that end with a command, and never the token."""

import json
from pathlib import Path

import httpx
import pytest
from hub_server.fixtures import hub_environment  # noqa: F401
from huggingface_hub.errors import HfHubHTTPError

from mstool.errors import MstoolError
from mstool.hub.endpoint import Endpoint
from mstool.hub.errors import Asked, explain, explained
from mstool.hub.options import PullOptions, PushOptions

MIRROR = Endpoint("https://mirror.example", "HF_ENDPOINT")
PUSH = Asked(PushOptions(dataset=Path("data/my cube"), repo_id="lab/cube", private=True), MIRROR, "me")
PULL = Asked(PullOptions(repo_id="lab/cube", root=Path("data/cube")), MIRROR)


def refused(status, text="", kind="application/json"):
    request = httpx.Request("POST", "https://mirror.example/api")
    body = text if "html" in kind else json.dumps({"error": text})
    response = httpx.Response(status, request=request, text=body, headers={"content-type": kind})
    return HfHubHTTPError(f"{status}", response=response, server_message=text or None)


@pytest.mark.parametrize("asked", [PUSH, PULL])
@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 405, 407, 409, 412, 413, 418, 429, 500, 501, 502, 503, 507]
)
@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=utf-8"])
def test_every_status_ends_with_the_users_command(asked, status, kind):
    found = explain(refused(status, "because hf_test", kind), asked)
    assert found.exit_code == 1
    assert "https://mirror.example" in found.message
    command = "mstool push 'data/my cube' --repo-id" if asked is PUSH else "mstool pull lab/cube --output data/cube"
    assert command in found.fix
    assert "hf_test" not in found.message + found.fix


def test_what_the_server_says_is_passed_on_without_the_token():
    found = explain(refused(400, "bad path hf_test/x"), PUSH)
    assert "bad path ***/x" in found.message


BREAKS = {
    "cannot be reached": httpx.ConnectError("[Errno 111] Connection refused"),
    "does not trust": httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
    "the proxy on the way": httpx.ProxyError("502"),
    "broke: peer closed": httpx.RemoteProtocolError("peer closed connection"),
    "broke: ReadTimeout": httpx.ReadTimeout(""),
    "is not an address": httpx.UnsupportedProtocol("x"),
    "a web page": json.JSONDecodeError("Expecting value", "<html>", 0),
    "No space left": OSError(28, "No space left on device", "data/x"),
}


@pytest.mark.parametrize("words", BREAKS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_every_break_in_the_line(words, wrapped):
    error = BREAKS[words]
    if wrapped:
        outer = RuntimeError("Error while uploading")
        outer.__cause__ = error
        error = outer
    found = explain(error, PUSH)
    assert words in found.message
    assert "mstool push" in found.fix


def test_a_refusal_inside_a_batch_of_objects():
    text = "LFS batch API returned errors:\nEncountered error for file with OID 1: `Repository storage quota exceeded"
    assert "no room left" in explain(ValueError(text), PUSH).message
    assert "may not write" in explain(ValueError("LFS batch API returned errors:\nno"), PUSH).message


@pytest.mark.parametrize("bug", [ValueError("x"), KeyError("x"), TypeError("x"), AssertionError()])
def test_bugs_keep_their_traceback(bug):
    assert explain(bug, PUSH) is None
    with pytest.raises(type(bug)), explained(PUSH):
        raise bug


def test_our_own_errors_pass():
    with pytest.raises(MstoolError, match="as it was"), explained(PUSH):
        raise MstoolError("as it was")


def test_a_full_account_is_not_asked_for_private_room_again():
    assert "--private" not in explain(refused(507), PUSH).fix


def test_a_private_or_missing_dataset_when_pulling_without_a_token(monkeypatch):
    monkeypatch.setattr("mstool.hub.client.token", lambda: None)
    found = explain(refused(401), PULL)
    assert "or it is private" in found.message
    assert found.fix.startswith("HF_ENDPOINT=https://mirror.example hf auth login")
