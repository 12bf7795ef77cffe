"""What went wrong between us and a server, in words that end with the command that fixes it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from mstool.errors import DataError, MstoolError, SetupError, UsageError
from mstool.hub.endpoint import DEFAULT, Endpoint
from mstool.hub.options import HubOptions, PushOptions

_FULL = ("storage limit", "quota", "storage is full", "insufficient storage", "exceeded the maximum", "no space left")


class HubError(MstoolError):
    """The server, or the way to it, refused or failed."""


@dataclass(frozen=True)
class Asked:
    """Who was asked what: everything that a message may name."""

    options: HubOptions
    endpoint: Endpoint
    # The token's owner, once the server has told.
    me: str = "YOUR_NAME"

    @property
    def repo(self) -> str:
        """Return the repository's name."""
        return self.options.repo_id

    @property
    def repo_type(self) -> str:
        """Return what the hub calls it."""
        return self.options.repo_type if isinstance(self.options, PushOptions) else "dataset"

    @property
    def pushing(self) -> bool:
        """Tell whether this is a push."""
        return isinstance(self.options, PushOptions)

    def again(self, **changes: Any) -> str:
        """Return the command line that asks again, with `changes`."""
        return replace(self.options, **changes).command()


@contextmanager
def explained(asked: Asked) -> Iterator[None]:
    """Turn what huggingface_hub, httpx and the system raise into errors for people; let bugs through."""
    try:
        yield
    except MstoolError:
        raise
    except Exception as error:
        known = explain(error, asked)
        if known is None:
            raise
        raise known from error


def explain(error: BaseException, asked: Asked) -> MstoolError | None:
    """Return the error for people, None for one that is a bug of ours."""
    import httpx
    from huggingface_hub import errors as hf

    for cause in _causes(error):
        if isinstance(cause, MstoolError):
            return cause  # ours, raised below the library, which wraps what its uploads raise
        known: MstoolError | None = None
        if isinstance(cause, hf.OfflineModeIsEnabled):
            known = SetupError("HF_HUB_OFFLINE is set: no server is asked", fix=f"HF_HUB_OFFLINE=0 {asked.again()}")
        elif isinstance(cause, hf.HfHubHTTPError):
            known = _refused(cause.response.status_code, _page(cause.response), _said(cause), asked)
        elif isinstance(cause, httpx.HTTPError | httpx.InvalidURL):
            known = _unreachable(cause, asked)
        elif isinstance(cause, json.JSONDecodeError):
            known = web_page(asked, "200")
        elif isinstance(cause, ValueError):
            known = _not_accepted(_clean(str(cause)), asked)
        elif isinstance(cause, OSError):
            known = _system(cause, asked)
        if known is None and _strange(cause):
            known = HubError(
                f"{asked.endpoint.url} answers as no hub does ({type(cause).__name__}: {_clean(str(cause))})",
                fix=asked.again(endpoint="https://MIRROR"),
            )
        if known is not None:
            return known
    return None


def _strange(error: BaseException) -> bool:
    """Whether the library failed over an answer that lacks what every hub says."""
    if not isinstance(error, AttributeError | LookupError | TypeError | ValueError):
        return False
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and str(frame.tb_frame.f_globals.get("__name__")).startswith("huggingface_hub")


def _not_accepted(words: str, asked: Asked) -> MstoolError | None:
    """Explain a ValueError of the library's own, None for any other."""
    if "LFS batch API" in words:
        return _refused(403, False, words, asked)
    if "metadata in README.md" in words:
        return DataError(f"{asked.endpoint.url} does not accept the card: {words}", fix=asked.again())
    return None


def _system(error: OSError, asked: Asked) -> MstoolError:
    return DataError(f"{error.filename or asked.repo}: {error.strerror or error}", fix=asked.again())


def no_token(asked: Asked) -> HubError:
    """Return the error of someone who is not logged in."""
    return HubError(
        f"{asked.endpoint.url} wants to know who pushes, and there is no token here (nor in HF_TOKEN)",
        fix=f"{_login(asked)} && {asked.again()}",
    )


def read_only_token(asked: Asked) -> HubError:
    """Return the error of a token that may not write."""
    return HubError(
        f"the token may only read at {asked.endpoint.url}: make one there that may write",
        fix=f"{_login(asked)} --force && {asked.again()}",
    )


def web_page(asked: Asked, status: str) -> MstoolError:
    """Return the error of an HTML page where the hub's own answer was expected."""
    return HubError(
        f"a web page ({status}) came back instead of {asked.endpoint.url}'s own answer: a proxy, a login page of the "
        "network, or no hub at this address (a browser shows it)",
        fix=f"NO_PROXY={asked.endpoint.host} {asked.again()}",
    )


def _refused(status: int, page: bool, said: str, asked: Asked) -> MstoolError:
    if status in {405, 501} and asked.pushing:
        return _read_only(asked)
    if status in {402, 413, 507} or any(word in said.lower() for word in _FULL):
        return _full(said, asked)
    if page:
        return web_page(asked, str(status))
    table: dict[int, Callable[[str, Asked], MstoolError]] = {
        401: _wrong_token, 403: _no_right, 404: _no_such, 407: _proxy, 409: _conflict, 412: _conflict, 429: _too_often
    }  # fmt: skip
    if status in table:
        return table[status](said, asked)
    if status >= 500:
        return HubError(f"{asked.endpoint.url} fails ({status}: {said or 'no reason given'})", fix=_resume(asked))
    return HubError(f"{asked.endpoint.url} refused ({status}: {said or 'no reason given'})", fix=_resume(asked))


def _read_only(asked: Asked) -> MstoolError:
    return HubError(
        f"{asked.endpoint.url} (from {asked.endpoint.named_by}) can only be read: it is a mirror. Nothing was pushed",
        fix=asked.again(endpoint=DEFAULT if asked.endpoint.url != DEFAULT else None),
    )


def _full(said: str, asked: Asked) -> MstoolError:
    other = asked.again(private=False) if getattr(asked.options, "private", False) else asked.again()
    return HubError(
        f"{asked.endpoint.url} has no room left for {asked.repo}: {said or 'quota'}. Nothing is visible there yet; free"
        " space in the account, push as public, or to another --endpoint",
        fix=other,
    )


def _wrong_token(said: str, asked: Asked) -> MstoolError:
    from mstool.hub.client import token

    if not asked.pushing and token() is None:
        return _no_such(said, asked)
    wins = "HF_TOKEN is set and goes before `hf auth login`: " if os.environ.get("HF_TOKEN") else ""
    remedy = "unset HF_TOKEN && " if wins else ""
    return HubError(
        f"{asked.endpoint.url} does not accept the token ({wins}401)",
        fix=f"{remedy}{_login(asked)} --force && {asked.again()}",
    )


def _no_right(said: str, asked: Asked) -> MstoolError:
    owner, _, name = asked.repo.partition("/")
    if not asked.pushing:
        return HubError(
            f"{asked.endpoint.url} does not show {asked.repo} to this token: {said or '403'}; {owner} gives access",
            fix=f"{_login(asked)} --force && {asked.again()}",
        )
    return HubError(
        f"the token may not write to {owner!r} at {asked.endpoint.url}: no such user or organisation, or no right "
        f"there ({said or '403'})",
        fix=asked.again(repo_id=f"{asked.me}/{name}"),
    )


def _no_such(said: str, asked: Asked) -> MstoolError:
    owner, _, name = asked.repo.partition("/")
    if asked.pushing:
        return HubError(
            f"{asked.endpoint.url} knows no {owner!r}, or nothing called {asked.repo}: {said or '404'}",
            fix=asked.again(repo_id=f"{asked.me}/{name}"),
        )
    revision = getattr(asked.options, "revision", None)
    return HubError(
        f"{asked.endpoint.url} has no {asked.repo_type} {asked.repo}"
        + (f" with a revision {revision}" if revision else "")
        + ", or it is private",
        fix=asked.again(revision=None) if revision else f"{_login(asked)} && {asked.again()}",
    )


def _proxy(said: str, asked: Asked) -> MstoolError:
    del said
    return HubError(
        f"the proxy on the way to {asked.endpoint.url} wants a login (407)",
        fix=f"HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT {asked.again()}",
    )


def _conflict(said: str, asked: Asked) -> MstoolError:
    return HubError(
        f"{asked.repo} changed at {asked.endpoint.url} while this push ran ({said or 'conflict'}); nothing of it is "
        "visible",
        fix=_resume(asked),
    )


def _too_often(said: str, asked: Asked) -> MstoolError:
    return HubError(
        f"{asked.endpoint.url} limits how often it is asked ({said or 429})", fix=f"sleep 300 && {asked.again()}"
    )


def _unreachable(cause: Exception, asked: Asked) -> MstoolError:
    import httpx

    words, url = _clean(str(cause)) or type(cause).__name__, asked.endpoint.url
    if isinstance(cause, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return UsageError(f"{url} is not an address: {words}", fix=asked.again(endpoint=DEFAULT))
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return HubError(
            f"{url} shows a certificate that this machine does not trust (a proxy that opens connections?)",
            fix=f"SSL_CERT_FILE=PROXYS_CERTIFICATE.pem {asked.again()}",
        )
    if isinstance(cause, httpx.ProxyError):
        return HubError(
            f"the proxy on the way to {url} fails: {words}", fix=f"NO_PROXY={asked.endpoint.host} {asked.again()}"
        )
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout):
        return HubError(
            f"{url} (from {asked.endpoint.named_by}) cannot be reached: {words}; try later, or name a mirror",
            fix=asked.again(endpoint="https://MIRROR"),
        )
    left = "nothing is visible on the server until all of it is there" if asked.pushing else "what came is kept"
    return HubError(f"the connection to {url} broke: {words}; {left}", fix=_resume(asked))


def _resume(asked: Asked) -> str:
    return f"{asked.again()}  # goes on where it stopped"


def _login(asked: Asked) -> str:
    return "hf auth login" if asked.endpoint.url == DEFAULT else f"HF_ENDPOINT={asked.endpoint.url} hf auth login"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__


def _page(response: Any) -> bool:
    return "html" in response.headers.get("content-type", "").lower()


def _said(error: Any) -> str:
    return _clean(error.server_message or error.response.headers.get("x-error-message") or "")


def _clean(text: str) -> str:
    from mstool.hub.client import token

    known = token()
    text = " ".join(text.split())
    return (text.replace(known, "***") if known else text)[:300]
