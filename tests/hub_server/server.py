"""The server: an address, a store, users, faults, and a log of what it was asked."""

import sys
import threading
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from hub_server.faults import Fault
from hub_server.handler import Handler
from hub_server.store import Store


class _Quiet(ThreadingHTTPServer):
    """A client that goes away is what the tests are about, no reason for a traceback."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass
class User:
    """Who a token belongs to."""

    name: str
    orgs: tuple[str, ...] = ()
    role: str = "write"


@dataclass
class HubServer:
    """`with HubServer(folder) as hub:` listens on `hub.endpoint` until the block ends."""

    root: Path
    # Token -> user. `hf_test` may write to `me` and `lab`, `hf_read` may only read.
    users: dict[str, User] = field(
        default_factory=lambda: {"hf_test": User("me", ("lab",)), "hf_read": User("me", ("lab",), role="read")}
    )
    faults: list[Fault] = field(default_factory=list)
    # Endpoints that this server lacks: "tags", "refs", "whoami", "writes".
    lacks: set[str] = field(default_factory=set)
    # Files per page of the tree; the real hub has 1,000.
    page: int = 1000
    # LFS objects larger than this are uploaded in parts; 0: never.
    part_size: int = 0
    # Bytes that may be stored; 0: any number.
    quota: int = 0
    # Whether the server computes the hash of what was uploaded, as the real one does.
    checks_uploads: bool = True
    port: int = 0
    # ["PUT", "/lfs/..", bytes of the body] per request.
    log: list[list[Any]] = field(default_factory=list)
    # The paths that were asked for with a token.
    authorized: list[str] = field(default_factory=list)
    # {"upload" or "verify": the address of another server that does it}.
    elsewhere: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(self.root)
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        self._http = _Quiet(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self._http.hub = self  # type: ignore[attr-defined]
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(self, method: str, path: str) -> Fault | None:
        """Return the first fault that this request meets."""
        with self.lock:
            return next((fault for fault in self.faults if fault.strikes(method, path)), None)

    def uploaded(self) -> int:
        """Return how many bytes of LFS objects came in."""
        return sum(size for method, path, size in self.log if method == "PUT" and path.startswith("/lfs"))

    def asked(self, method: str, part: str) -> int:
        """Return how many requests of this method had `part` in their path."""
        return sum(m == method and part in path for m, path, _ in self.log)
