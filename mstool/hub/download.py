"""Fetch single files, in parts that survive an interrupted run, and check each against the server's hash.

`huggingface_hub.hf_hub_download` throws a partial file away when the process ends, and the last ten megabytes at every
break; on a slow link that is hours. So the session, the headers and the errors are the library's, the loop is ours.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mstool.hub.client import token
from mstool.hub.errors import Asked, HubError, web_page
from mstool.hub.inventory import LocalFile, RemoteFile, is_same
from mstool.hub.sinks import HashSink, PartSink
from mstool.hub.transfers import Transfers

if TYPE_CHECKING:
    import httpx

# Attempts in a row that bring nothing; the pauses between them double from one second.
ATTEMPTS = 6
# Seconds without a byte.
STALL = 30.0
_PASSING = frozenset({408, 429, 500, 502, 503, 504})

type Moved = Callable[[int], object]


class FileSink(Protocol):
    """Where bytes go."""

    # Bytes that are there.
    size: int

    def write(self, data: bytes) -> None:
        """Append."""

    def restart(self) -> None:
        """Forget everything."""


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
        sink = HashSink(transfers.moved)
        _complete(asked, there[path], revision, sink)
        if sink.digest.hexdigest() != files[path].hash.sha256:
            problems.append(f"{path}: what comes back has another hash")

    with Transfers("read back", sum(file.hash.size for file in files.values()), asked.options.jobs) as transfers:
        transfers.run(check, sorted(files))
    return sorted(problems)


def _fetch(asked: Asked, file: RemoteFile, revision: str, folder: Path, parts: Path, moved: Moved) -> None:
    # Parts are named by content: one begun for another revision is never continued for this one.
    part = parts / f"{file.key}.{hashlib.sha256(file.path.encode()).hexdigest()[:16]}.part"
    for _ in range(2):
        with PartSink(part, moved) as sink:
            if sink.size > file.size:
                sink.restart()
            _complete(asked, file, revision, sink)
        if is_same(part, sink.size, sink.digest.hexdigest(), file):
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
            return
        moved(-sink.size)
        part.unlink()
    raise HubError(
        f"{asked.endpoint.url}: {file.path} arrives damaged: its hash is not {file.key}, which the server announces",
        fix=asked.again(),
    )


def _complete(asked: Asked, file: RemoteFile, revision: str, sink: FileSink) -> None:
    """Fetch what a sink lacks of a file, through breaks, for as long as every few attempts bring something."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    failures = 0
    while sink.size < file.size:
        before = sink.size
        try:
            _stream(asked, file, revision, sink)
        except (httpx.TransportError, HfHubHTTPError) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code not in _PASSING:
                raise
            failures = 0 if sink.size > before else failures + 1
            if failures == ATTEMPTS:
                raise
            time.sleep(2 ** max(failures - 1, 0))


def _stream(asked: Asked, file: RemoteFile, revision: str, sink: FileSink) -> None:
    """Ask once for the rest of a file."""
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import hf_raise_for_status

    url = hf_hub_url(asked.repo, file.path, repo_type=asked.repo_type, revision=revision, endpoint=asked.endpoint.url)
    headers = build_hf_headers(token=token() or False, library_name="mstool")
    # A compressed answer has another length than the file, and no ranges.
    headers["Accept-Encoding"] = "identity"
    if sink.size:
        headers["Range"] = f"bytes={sink.size}-"
    with get_session().stream("GET", url, headers=headers, timeout=STALL) as response:
        hf_raise_for_status(response)
        _check_answer(asked, file, response)
        if sink.size and response.status_code != 206:
            sink.restart()  # the server knows no ranges, all of it comes again
        for data in response.iter_raw():
            sink.write(data)
            if sink.size > file.size:
                raise _other_size(asked, file)
        if sink.size < file.size:
            raise _other_size(asked, file)


def _check_answer(asked: Asked, file: RemoteFile, response: "httpx.Response") -> None:
    page = "html" in response.headers.get("content-type", "").lower()
    if page and not file.path.endswith((".html", ".htm")):
        raise web_page(asked, str(response.status_code))


def _other_size(asked: Asked, file: RemoteFile) -> HubError:
    return HubError(
        f"{asked.endpoint.url} sends {file.path} in another size than the {file.size} bytes that it announced",
        fix=asked.again(),
    )
