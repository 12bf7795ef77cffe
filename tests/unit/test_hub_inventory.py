import subprocess
from types import SimpleNamespace

import pytest
from huggingface_hub import RepoFile

from mstool.dataset.fingerprint import hash_file
from mstool.errors import DataError
from mstool.hub.inventory import LocalFile, RemoteFile, compare, differing, git_sha1, remote_files


def local(root, path, data):
    source = root / path.replace("/", "_")
    source.write_bytes(data)
    return LocalFile(path, source, hash_file(source))


def as_large(file):
    return RemoteFile(file.path, file.hash.size, "0" * 40, file.hash.sha256)


def as_small(file):
    return RemoteFile(file.path, file.hash.size, git_sha1(file.source), None)


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\0" * 3_000_000])
def test_gits_name_is_gits(tmp_path, data):
    (tmp_path / "f").write_bytes(data)
    git = subprocess.run(
        ["git", "hash-object", "--no-filters", tmp_path / "f"], capture_output=True, text=True, check=True
    )
    assert git_sha1(tmp_path / "f") == git.stdout.strip()


def test_what_differs(tmp_path):
    a, b, c = (local(tmp_path, f"data/{name}", name.encode()) for name in "abc")
    changed = local(tmp_path, "meta/x", b"new")
    remote = {file.path: file for file in (as_large(a), as_small(b))}
    remote["meta/x"] = RemoteFile("meta/x", 3, "1" * 40, None)
    remote["data/old"] = RemoteFile("data/old", 1, "2" * 40, None)
    remote["theirs.txt"] = RemoteFile("theirs.txt", 1, "3" * 40, None)
    plan = compare({file.path: file for file in (a, b, c, changed)}, remote)
    assert [[file.path for file in part] for part in (plan.added, plan.changed, plan.same, plan.stale)] == [
        ["data/c"], ["meta/x"], ["data/a", "data/b"], ["data/old"]
    ]  # fmt: skip
    assert not plan.empty
    assert compare({a.path: a}, {a.path: as_large(a)}).empty


def test_each_way_of_not_being_there(tmp_path):
    a, b, c, d = (local(tmp_path, name, name.encode()) for name in "abcd")
    remote = {
        "b": RemoteFile("b", 2, "0" * 40, b.hash.sha256),
        "c": RemoteFile("c", 1, "0" * 40, a.hash.sha256),
        "d": as_small(d),
    }
    assert differing([a, b, c, d], remote) == ["a: not there", "b: 2 bytes there, 1 here", "c: another hash there"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\\..\\x", "a\0b"])
def test_a_server_cannot_write_beside_the_dataset(path):
    entry = RepoFile(path=path, size=1, oid="0" * 40, type="file")
    api = SimpleNamespace(list_repo_tree=lambda *_, **__: [entry])
    with pytest.raises(DataError, match="names a file"):
        remote_files(api, "me/x", "main")
