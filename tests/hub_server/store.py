"""Repositories on disk: blobs named by their hash, one JSON file per commit, one per repository."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

type Files = dict[str, dict[str, Any]]


class Missing(Exception):
    """No such repository, revision or file; the argument is the hub's own error code."""


class Conflict(Exception):
    """It exists already, or another commit came first."""


def git_sha1(data: bytes) -> str:
    """Return git's name of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Store:
    """Everything the server knows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = threading.RLock()
        for name in ("lfs", "git", "commits", "repos", "parts"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def lfs(self, sha256: str) -> Path:
        return self.root / "lfs" / sha256

    def git(self, sha1: str) -> Path:
        return self.root / "git" / sha1

    def _repo_file(self, repo_id: str) -> Path:
        return self.root / "repos" / (repo_id.replace("/", "__") + ".json")

    def repo(self, repo_id: str) -> dict[str, Any]:
        path = self._repo_file(repo_id)
        if not path.exists():
            raise Missing("RepoNotFound")
        return json.loads(path.read_text())

    def save(self, repo_id: str, repo: dict[str, Any]) -> None:
        self._repo_file(repo_id).write_text(json.dumps(repo))

    def create(self, repo_id: str, *, private: bool) -> None:
        with self.lock:
            if self._repo_file(repo_id).exists():
                raise Conflict("You already created this dataset repo")
            attributes = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n*.mp4 filter=lfs diff=lfs merge=lfs -text\n"
            self.save(repo_id, {"private": private, "branches": {"main": ""}, "tags": {}})
            self.commit(repo_id, "main", {".gitattributes": attributes}, {}, [], "initial commit")

    def resolve(self, repo_id: str, revision: str) -> str:
        """Return the commit that a branch, a tag or a commit's own name stands for."""
        repo = self.repo(repo_id)
        for name in (revision, revision.removeprefix("refs/heads/"), revision.removeprefix("refs/tags/")):
            for refs in (repo["branches"], repo["tags"]):
                if name in refs:
                    return refs[name]
        if len(revision) == 40 and (self.root / "commits" / f"{revision}.json").exists():
            return revision
        raise Missing("RevisionNotFound")

    def files(self, repo_id: str, revision: str) -> Files:
        return self.load_commit(self.resolve(repo_id, revision))["files"]

    def load_commit(self, sha: str) -> dict[str, Any]:
        if not sha:
            return {"parent": None, "files": {}}
        return json.loads((self.root / "commits" / f"{sha}.json").read_text())

    def commit(
        self,
        repo_id: str,
        branch: str,
        regular: dict[str, bytes],
        large: dict[str, dict[str, Any]],
        deleted: list[str],
        summary: str,
        parent: str | None = None,
    ) -> str:
        """Add and remove files in one step; return the commit's name."""
        with self.lock:
            repo = self.repo(repo_id)
            if branch not in repo["branches"]:
                raise Missing("RevisionNotFound")
            head = repo["branches"][branch]
            if parent is not None and parent != head:
                raise Conflict("A commit has happened since. Please refresh and try again.")
            files: Files = dict(self.load_commit(head)["files"])
            for path in deleted:
                gone = [name for name in files if name == path or (path.endswith("/") and name.startswith(path))]
                if not gone:
                    raise Missing("EntryNotFound")
                for name in gone:
                    del files[name]
            for path, data in regular.items():
                sha1 = git_sha1(data)
                self.git(sha1).write_bytes(data)
                files[path] = {"size": len(data), "oid": sha1, "lfs": None}
            for path, item in large.items():
                if not self.lfs(item["oid"]).exists():
                    raise Missing("EntryNotFound")
                pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{item['oid']}\nsize {item['size']}\n"
                files[path] = {"size": item["size"], "oid": git_sha1(pointer.encode()), "lfs": item["oid"]}
            text = json.dumps({"parent": head, "summary": summary, "files": files}, sort_keys=True)
            sha = hashlib.sha1(text.encode()).hexdigest()
            (self.root / "commits" / f"{sha}.json").write_text(text)
            repo["branches"][branch] = sha
            self.save(repo_id, repo)
            return sha

    def content(self, entry: dict[str, Any]) -> Path:
        return self.lfs(entry["lfs"]) if entry["lfs"] else self.git(entry["oid"])

    def used(self) -> int:
        return sum(path.stat().st_size for path in (self.root / "lfs").iterdir())
