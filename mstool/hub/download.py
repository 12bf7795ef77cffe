"""Fetch single files, in parts that survive an interrupted run, and check each against the server's hash.

`huggingface_hub.hf_hub_download` throws a partial file away when the process ends; on a slow link that is hours. Its
own `http_get` takes the number of bytes that are there already, so the parts are kept by us.
"""

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mstool.fingerprint import hash_file
from mstool.hub.client import token
from mstool.hub.errors import Asked, HubError
from mstool.hub.inventory import LocalFile, RemoteFile, is_same
from mstool.hub.transfers import Transfers

# Attempts in a row that bring nothing.
ATTEMPTS = 5

type Moved = Callable[[int], object]


def download(asked: Asked, files: Iterable[RemoteFile], revision: str, folder: Path, parts: Path, jobs: int) -> None:
    """Fetch `files` of the commit `revision` into `folder`, keeping unfinished ones in `parts`.

    Raises
    ------
    HubError
        A file arrived with another hash than the server announced, twice.

    """
    wanted = list(files)
    parts.mkdir(parents=True, exist_ok=True)
    with Transfers("download", sum(file.size for file in wanted), jobs) as transfers:
        transfers.run(lambda file: _fetch(asked, file, revision, folder, parts, transfers.moved), wanted)


def read_back(asked: Asked, files: dict[str, LocalFile], there: dict[str, RemoteFile], revision: str) -> list[str]:
    """Download every file into a hash and return what is wrong with those that differ from the local ones."""
    problems: list[str] = []

    def check(path: str) -> None:
        sink = _HashSink(transfers.moved)
        try:
            _get(asked, there[path], revision, sink, 0)
        except OSError as error:
            if "Consistency check failed" not in str(error):
                raise
        if sink.digest.hexdigest() != files[path].hash.sha256:
            problems.append(f"{path}: what comes back has another hash")

    with Transfers("read back", sum(file.hash.size for file in files.values()), asked.options.jobs) as transfers:
        transfers.run(check, sorted(files))
    return sorted(problems)


def _fetch(asked: Asked, file: RemoteFile, revision: str, folder: Path, parts: Path, moved: Moved) -> None:
    # Parts are named by content: one begun for another revision is never continued for this one.
    part = parts / f"{file.key}.{hashlib.sha256(file.path.encode()).hexdigest()[:16]}.part"
    for _ in range(2):
        _complete(asked, file, revision, part, moved)
        found = hash_file(part)
        if is_same(part, found.size, found.sha256, file):
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
            return
        moved(-part.stat().st_size)
        part.unlink()
    raise HubError(
        f"{asked.endpoint.url}: {file.path} arrives damaged: its hash is not {file.key}, which the server announces",
        fix=asked.again(),
    )


def _complete(asked: Asked, file: RemoteFile, revision: str, part: Path, moved: Moved) -> None:
    """Fetch what is missing of a part."""
    import httpx

    have = part.stat().st_size if part.exists() else 0
    if have > file.size:
        part.unlink()
        have = 0
    moved(have)
    failures = 0
    while not part.exists() or part.stat().st_size != file.size:
        before = part.stat().st_size if part.exists() else 0
        try:
            with part.open("r+b" if part.exists() else "w+b", buffering=0) as raw:
                raw.seek(0, os.SEEK_END)
                _get(asked, file, revision, _Counting(raw, moved), before)
        except (httpx.ReadError, httpx.WriteError):
            # A reset; a connection that merely ends early, or cannot be made, http_get has retried itself.
            failures = 0 if part.stat().st_size > before else failures + 1
            if failures == ATTEMPTS:
                raise
            time.sleep(1)
        except OSError as error:
            if "Consistency check failed" not in str(error):
                raise
            # More, less or something else than announced: it cannot be continued.
            moved(-part.stat().st_size)
            part.unlink()
            raise


def _get(asked: Asked, file: RemoteFile, revision: str, sink: Any, have: int) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    url = hf_hub_url(asked.repo, file.path, repo_type="dataset", revision=revision, endpoint=asked.endpoint.url)
    headers = build_hf_headers(token=token() or False, library_name="mstool")
    # A compressed answer has another length than the file, and no ranges.
    headers["Accept-Encoding"] = "identity"
    http_get(url, sink, resume_size=have, headers=headers, expected_size=file.size, displayed_filename=file.path)


class _Counting:
    """A file that tells what is written; what `http_get` takes back when a server ignores ranges counts too."""

    def __init__(self, raw: Any, on_bytes: Moved) -> None:
        self._raw, self._on_bytes = raw, on_bytes

    def write(self, data: bytes) -> int:
        written = 0
        while written < len(data):
            written += self._raw.write(data[written:])
        self._on_bytes(len(data))
        return written

    def tell(self) -> int:
        return int(self._raw.tell())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._raw.seek(offset, whence))

    def truncate(self) -> int:
        before = os.fstat(self._raw.fileno()).st_size
        after = int(self._raw.truncate())
        self._on_bytes(after - before)
        return after


class _HashSink(io.RawIOBase):
    """A file of which only the hash and the length are kept."""

    def __init__(self, on_bytes: Moved) -> None:
        super().__init__()
        self.digest, self._at, self._on_bytes = hashlib.sha256(), 0, on_bytes

    def write(self, data: Any, /) -> int:
        self.digest.update(data)
        self._at += len(data)
        self._on_bytes(len(data))
        return len(data)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_SET and offset == 0:
            self.digest, self._at = hashlib.sha256(), 0
        return self._at

    def truncate(self, size: int | None = None, /) -> int:
        del size
        return self._at
