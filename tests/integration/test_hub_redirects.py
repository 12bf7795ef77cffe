"""A hub may send on to another server, for files as hubs do, or for anything: the token stays with the hub."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest
from hub_server import Fault, HubServer
from hub_server.fixtures import hasty, hub, hub_environment  # noqa: F401

from mstool.errors import MstoolError
from mstool.hub.options import PullOptions, PushOptions
from mstool.hub.pull import pull
from mstool.hub.push import push

GOLDEN = Path(__file__).parents[1] / "golden" / "validate_data" / "libero"
REPO = "me/cube"


@pytest.fixture
def full(hub):  # noqa: F811
    """A hub with a private dataset: a small file, and a large one in its store."""
    hub.store.create(REPO, private=True)
    data = b"PAR1" * 1000
    oid = hashlib.sha256(data).hexdigest()
    hub.store.lfs(oid).write_bytes(data)
    info = (GOLDEN / "meta/info.json").read_bytes()
    large = {"data/chunk-000/file-000.parquet": {"oid": oid, "size": len(data)}}
    head = hub.store.commit(REPO, "main", {"meta/info.json": info}, large, [], "a dataset")
    state = hub.store.repo(REPO)
    state["tags"]["v3.0"] = head
    hub.store.save(REPO, state)
    return hub


@pytest.fixture
def other(hub, tmp_path):  # noqa: F811
    """Another server, which holds the same for everybody."""
    shutil.copytree(hub.root, tmp_path / "other", dirs_exist_ok=True)
    with HubServer(tmp_path / "other") as server:
        yield server


def send_on(hub, path, location, status=307, times=1):  # noqa: F811
    hub.faults.append(Fault("status", path=path, times=times, status=status, headers={"Location": location}))


def pulled(hub, root):  # noqa: F811
    return pull(PullOptions(repo_id=REPO, root=root, endpoint=hub.endpoint, open_it=False))


def opened(server):
    """Let everybody read."""
    server.store.save(REPO, {**server.store.repo(REPO), "private": False})


def test_files_come_from_another_server_without_the_token(full, other, tmp_path):
    """As a hub's own storage hands them out: the address is the permission."""
    opened(other)
    for name in ("data/chunk-000/file-000.parquet", "meta/info.json"):
        sha = full.store.resolve(REPO, "main")
        send_on(full, rf"/resolve/.*{name}$", f"{other.endpoint}/datasets/{REPO}/resolve/{sha}/{name}", 302)
    assert pulled(full, tmp_path / "got").verified == 2
    assert any("/resolve/" in path for path in full.authorized)
    assert {path.partition("/resolve/")[2][41:] or "cdn" for _, path, _ in other.log} == {
        "data/chunk-000/file-000.parquet",
        "meta/info.json",
        "cdn",
    }
    assert not other.authorized


@pytest.mark.parametrize("form", ["{}", "//{}"], ids=["absolute", "without_scheme"])
@pytest.mark.parametrize("what", ["refs$", "tree/", "revision/"])
def test_answers_of_another_server_are_asked_for_without_the_token(full, other, tmp_path, what, form):
    opened(other)
    path = (
        f"/api/datasets/{REPO}/"
        + {"refs$": "refs", "tree/": "tree/main?recursive=True", "revision/": "revision/main"}[what]
    )
    base = other.endpoint if form == "{}" else form.format(other.endpoint.removeprefix("http://"))
    send_on(full, what, base + path, times=-1)
    assert pulled(full, tmp_path / "got").verified == 2
    assert len(other.log) >= 1
    assert not other.authorized


def test_another_server_may_want_a_token_and_gets_none(full, other, tmp_path):
    send_on(full, "/refs$", f"{other.endpoint}/api/datasets/{REPO}/refs", times=-1)
    with pytest.raises(MstoolError):
        pulled(full, tmp_path / "got")
    assert other.log
    assert not other.authorized
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("relative", [True, False])
def test_the_same_server_gets_the_token_again(full, tmp_path, relative):
    """As when a repository was renamed; this one is private."""
    base = "" if relative else full.endpoint
    for name in ("refs", "revision/v3.0"):
        send_on(full, f"/api/datasets/{REPO}/{name}$", f"{base}/api/datasets/{REPO}/{name}")
    assert pulled(full, tmp_path / "got").verified == 2
    assert full.authorized.count(f"/api/datasets/{REPO}/refs") == 2


@pytest.mark.parametrize(
    "link", ["/api/datasets/me/cube/tree/main?cursor=1", "ftp://elsewhere/x", "file:///etc/passwd"]
)
def test_a_next_page_that_is_no_address(full, tmp_path, link):
    headers = {"Link": f'<{link}>; rel="next"'}
    full.faults.append(Fault("status", path="/tree/", times=-1, status=200, body="[]", headers=headers))
    with pytest.raises(MstoolError) as error:
        pulled(full, tmp_path / "got")
    assert error.value.fix
    assert not (tmp_path / "got").exists()


def test_pages_of_the_same_server_are_read_with_the_token(full, tmp_path):
    full.page = 1
    assert pulled(full, tmp_path / "got").verified == 2


@pytest.mark.parametrize("parts", [0, 50_000])
def test_uploads_go_to_another_server_without_the_token(hub, other, tmp_path, parts):  # noqa: F811
    """Both have one store here, as a hub and its bucket have."""
    hub.part_size, hub.elsewhere["upload"] = parts, other.endpoint
    other.store.root = hub.store.root
    report = push(options(hub, tmp_path))
    assert report.tagged
    assert other.uploaded() > 0
    assert hub.uploaded() == 0
    assert not other.authorized


def test_who_verifies_an_upload_elsewhere_does_not_get_the_token(hub, other, tmp_path):  # noqa: F811
    hub.elsewhere["verify"] = other.endpoint
    with pytest.raises(MstoolError, match=re.escape(f"sends on to {other.endpoint}, which must not get the token")):
        push(options(hub, tmp_path))
    assert not other.log
    assert not hub.store.repo(REPO)["tags"]


def options(hub, tmp_path):  # noqa: F811
    root = shutil.copytree(GOLDEN, tmp_path / "cube")
    return PushOptions(dataset=root, repo_id=REPO, endpoint=hub.endpoint, force=True)
