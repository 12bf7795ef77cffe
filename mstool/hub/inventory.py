"""Files here and there: sizes, hashes, and what differs."""

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mstool.dataset.fingerprint import FileHash, dataset_files, hash_file
from mstool.dataset.links import links_outside, target
from mstool.errors import DataError
from mstool.progress import Progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi, RepoFile

# Files of one revision that are listed; a server may go on naming them for ever.
MOST_FILES = 2_000_000
# A push may delete what is left of an older version of the dataset here, and nothing elsewhere in a repository.
OURS = ("data/", "meta/", "videos/", "images/")


@dataclass(frozen=True)
class LocalFile:
    """A file to be pushed; `source` is where it lies, `path` what it is called in the repository."""

    path: str
    source: Path
    hash: FileHash


@dataclass(frozen=True)
class RemoteFile:
    """A file as the server describes it: large ones by SHA-256, small ones by git's SHA-1 of a blob."""

    path: str
    size: int
    git_sha1: str
    sha256: str | None

    @property
    def key(self) -> str:
        """Return the hash that names the content."""
        return self.sha256 or self.git_sha1


@dataclass(frozen=True)
class FileDifference:
    """What a push has to do."""

    added: tuple[LocalFile, ...]
    changed: tuple[LocalFile, ...]
    same: tuple[LocalFile, ...]
    # Files of an older version of the dataset.
    stale: tuple[RemoteFile, ...]

    @property
    def upload(self) -> tuple[LocalFile, ...]:
        """Return the files to be sent."""
        return (*self.added, *self.changed)

    @property
    def empty(self) -> bool:
        """Tell whether the server has it all."""
        return not self.upload and not self.stale


def local_files(root: Path) -> dict[str, LocalFile]:
    """Hash every file of the dataset: {path: file}.

    Raises
    ------
    DataError
        A link leads out of the dataset, to a folder or nowhere: what is there may be anything.

    """
    paths = dataset_files(root)
    if outside := links_outside(root):
        raise DataError(
            f"{outside[0]} is a link to {target(outside[0])}: what links lead to is not pushed; a copy "
            "without links is",
            fix=shlex.join(["cp", "-rL", str(root), f"{target(root)}-whole"]),
        )
    total = sum((root / path).stat().st_size for path in paths)
    with Progress("hash", total, "B") as progress:
        return {path: LocalFile(path, root / path, hash_file(root / path, progress.update)) for path in paths}


def remote_files(api: "HfApi", repo_id: str, revision: str, repo_type: str = "dataset") -> dict[str, RemoteFile]:
    """List a revision: {path: file}.

    Raises
    ------
    DataError
        The server names a file that would lie outside the dataset's folder.

    """
    from huggingface_hub import RepoFile

    files = {}
    for entry in api.list_repo_tree(repo_id, repo_type=repo_type, revision=revision, recursive=True):
        if isinstance(entry, RepoFile):
            file = _described(entry)
            files[file.path] = file
        if len(files) > MOST_FILES:
            raise DataError(f"the server names more than {MOST_FILES} files", fix="pull from another --endpoint")
    return files


def dataset_part(files: Mapping[str, RemoteFile]) -> dict[str, RemoteFile]:
    """Leave out git's own files: they are the repository's, not the dataset's."""
    return {path: file for path, file in files.items() if not any(part.startswith(".") for part in path.split("/"))}


def is_same(local: Path, size: int, sha256: str, remote: RemoteFile) -> bool:
    """Compare a file with the server's description of it."""
    if size != remote.size:
        return False
    return sha256 == remote.sha256 if remote.sha256 else git_sha1(local) == remote.git_sha1


def compare(local: Mapping[str, LocalFile], remote: Mapping[str, RemoteFile]) -> FileDifference:
    """Say what must be sent and removed so that the repository holds the dataset."""
    added, changed, same = [], [], []
    for path, file in sorted(local.items()):
        if path not in remote:
            added.append(file)
        elif is_same(file.source, file.hash.size, file.hash.sha256, remote[path]):
            same.append(file)
        else:
            changed.append(file)
    stale = [remote[path] for path in sorted(remote) if path not in local and path.startswith(OURS)]
    return FileDifference(tuple(added), tuple(changed), tuple(same), tuple(stale))


def differing(local: Iterable[LocalFile], remote: Mapping[str, RemoteFile]) -> list[str]:
    """Return, per file that the server does not hold as it is here, what is wrong with it."""
    problems = []
    for file in local:
        there = remote.get(file.path)
        if there is None:
            problems.append(f"{file.path}: not there")
        elif there.size != file.hash.size:
            problems.append(f"{file.path}: {there.size} bytes there, {file.hash.size} here")
        elif not is_same(file.source, file.hash.size, file.hash.sha256, there):
            problems.append(f"{file.path}: another hash there")
    return problems


def git_sha1(path: Path) -> str:
    """Return git's name of a file's content: SHA-1 over `blob SIZE`, a zero byte, and the bytes."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def _described(entry: "RepoFile") -> RemoteFile:
    # The hashes name files here, so they must be nothing else.
    path, size, sha256 = _safe(entry.path), entry.size, entry.lfs.sha256 if entry.lfs else None
    sound = isinstance(size, int) and not isinstance(size, bool) and size >= 0 and _is_hash(entry.blob_id, 40)
    if not sound or not (sha256 is None or _is_hash(sha256, 64)):
        raise DataError(
            f"the server describes {path} by size {size!r}, hash {(sha256 or entry.blob_id)!r}: no file has these",
            fix="pull from another --endpoint",
        )
    return RemoteFile(path, size, entry.blob_id, sha256)


def _is_hash(text: object, digits: int) -> bool:
    return isinstance(text, str) and re.fullmatch(rf"[0-9a-f]{{{digits}}}", text) is not None


def _safe(path: object) -> str:
    if not isinstance(path, str):
        raise DataError(f"the server names a file {path!r}, which is no name", fix="pull from another --endpoint")
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or any(ord(letter) < 32 for letter in path):
        raise DataError(f"the server names a file {path!r}, which no dataset has", fix="pull from another --endpoint")
    return path
