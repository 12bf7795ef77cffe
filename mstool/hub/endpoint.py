"""Which server is meant, decided before huggingface_hub is imported (it reads the environment at import)."""

import os
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from mstool.errors import UsageError, WrongWordError

DEFAULT = "https://huggingface.co"
# Servers with Xet storage. Mirrors forward the old LFS protocol only, and answer Xet's endpoints with an error.
XET_HOSTS = frozenset({"huggingface.co", "hub-ci.huggingface.co"})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Endpoint:
    """A server and who named it."""

    url: str
    # `--endpoint`, `the manifest`, `HF_ENDPOINT` or `the default`.
    named_by: str

    @property
    def host(self) -> str:
        """Return the host's name."""
        return urlsplit(self.url).hostname or ""

    @property
    def has_xet(self) -> bool:
        """Tell whether the server has Xet storage."""
        return self.host in XET_HOSTS

    @property
    def in_the_clear(self) -> bool:
        """Tell whether a token sent there can be read on the way."""
        return urlsplit(self.url).scheme == "http" and self.host not in _LOOPBACK


def choose(option: str | None, manifest: str = "") -> Endpoint:
    """Return the server: `--endpoint`, else the manifest entry's, else `HF_ENDPOINT`, else the library's default.

    Raises
    ------
    UsageError
        It is not the address of a server, or holds a user name or password.

    """
    named = {"--endpoint": option, "the manifest": manifest, "HF_ENDPOINT": os.environ.get("HF_ENDPOINT")}
    for named_by, url in named.items():
        if url:
            return Endpoint(_checked(url, named_by), named_by)
    return Endpoint(DEFAULT, "the default")


def use(endpoint: Endpoint) -> None:
    """Set the environment that huggingface_hub reads at import; correct it where the import has happened already.

    The address itself needs no correction then: every call of this package passes it explicitly.
    """
    os.environ["HF_ENDPOINT"] = endpoint.url
    if not endpoint.has_xet:
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    loaded = sys.modules.get("huggingface_hub.constants")
    if loaded is not None:
        off = os.environ.get("HF_HUB_DISABLE_XET", "").upper() in {"1", "ON", "YES", "TRUE"}
        loaded.HF_HUB_DISABLE_XET = off  # type: ignore[attr-defined]


def _checked(url: str, named_by: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WrongWordError(
            f"{named_by} is {url!r}, which is not the address of a server: that is https://HOST",
            given=url,
            instead=f"https://{url.rpartition('://')[2] or urlsplit(DEFAULT).hostname}",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"{named_by} holds more than an address: a user name, a password or a query",
            fix=f"write https://{parts.hostname} and give the token with `hf auth login` or HF_TOKEN",
        )
    return url.rstrip("/")
