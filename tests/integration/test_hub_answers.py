"""A hub may answer anything: one error, nothing written, and the token goes to that hub alone."""

import json

import pytest
from hub_server import Fault, HubServer
from hub_server.fixtures import hasty, hub, hub_environment  # noqa: F401

from mstool.errors import MstoolError
from mstool.hub.options import PullOptions
from mstool.hub.pull import pull

INFO = {"id": "me/cube", "sha": "a" * 40, "private": False, "tags": [], "siblings": []}
REFS = {"branches": [], "tags": [], "converts": [], "pullRequests": []}
FILE = {"type": "file", "path": "meta/info.json", "size": 2, "oid": "b" * 40}


def answered(hub, tmp_path, *, refs=REFS, info=INFO, tree=(FILE,), link="") -> str:  # noqa: F811
    """Pull from a hub that answers this, and return the error."""
    headers = {"Link": f'<{link}>; rel="next"'} if link else {}
    for path, body, more in ((r"/refs$", refs, {}), (r"/tree/", tree, headers), (r"/datasets/", info, {})):
        hub.faults.append(Fault("status", path=path, times=-1, status=200, body=json.dumps(body), headers=more))
    root = tmp_path / "cube"
    with pytest.raises(MstoolError) as error:
        pull(PullOptions(repo_id="me/cube", root=root, endpoint=hub.endpoint, open_it=False))
    assert not root.exists()
    return error.value.message


@pytest.mark.parametrize(
    "change",
    [
        {"size": None},
        {"size": -1},
        {"size": "2"},
        {"path": 7},
        {"path": "../out"},
        {"path": "/etc/passwd"},
        {"path": "meta/\x1b[2J"},
        {"oid": "../../out"},
        {"oid": None},
        {"lfs": {"oid": "../x", "size": 2, "pointerSize": 1}},
        {"lfs": {"oid": "c" * 64}},
        {"lfs": 7},
    ],
    ids=str,
)
def test_files_that_cannot_be(hub, tmp_path, change):  # noqa: F811
    assert answered(hub, tmp_path, tree=[FILE | change])


@pytest.mark.parametrize("tree", [{"error": 1}, [7], [None], [{"type": "file"}], [{"type": "pipe", "path": "x"}], 7])
def test_trees_of_another_form(hub, tmp_path, tree):  # noqa: F811
    assert answered(hub, tmp_path, tree=tree)


@pytest.mark.parametrize(
    "refs", [[], {}, {"tags": [7], "branches": [], "converts": []}, {"tags": [{"name": 7}]}], ids=str
)
def test_branches_of_another_form(hub, tmp_path, refs):  # noqa: F811
    assert answered(hub, tmp_path, refs=refs)


@pytest.mark.parametrize("info", [[], 7, {}, {"id": 7, "sha": 7}], ids=str)
def test_a_description_of_another_form(hub, tmp_path, info):  # noqa: F811
    assert answered(hub, tmp_path, info=info)


def test_the_next_page_at_another_host_does_not_get_the_token(hub, tmp_path):  # noqa: F811
    with HubServer(tmp_path / "other") as other:
        said = answered(hub, tmp_path, link=f"{other.endpoint}/api/datasets/me/cube/tree/main?cursor=1")
        assert other.endpoint in said
        assert not other.log
