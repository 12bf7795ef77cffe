"""huggingface_hub with bounded waits; progress bars and messages are ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from mstool.hub.endpoint import Endpoint, use
from mstool.hub.errors import HubError
from mstool.hub_files import unlogged

if TYPE_CHECKING:
    import httpx
    from huggingface_hub import HfApi

# Seconds. The library itself waits for ever; a commit of many files may keep a hub busy for minutes.
CONNECT, READ, WRITE = 15.0, 300.0, 120.0


def connect(endpoint: Endpoint) -> "HfApi":
    """Return the library's client for this server. No request is made."""
    use(endpoint)
    from huggingface_hub import HfApi, set_client_factory

    set_client_factory(partial(_client, endpoint))
    return HfApi(endpoint=endpoint.url, library_name="mstool")


def token() -> str | None:
    """Return the token from the usual places (HF_TOKEN, `hf auth login`), for headers and for nothing else."""
    from huggingface_hub import get_token

    return get_token()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's progress bars and log lines away: it logs every retry, and errors that we explain."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silent = are_progress_bars_disabled()
    if not silent:
        disable_progress_bars()
    try:
        with unlogged():
            yield
    finally:
        if not silent:
            enable_progress_bars()


def _client(endpoint: Endpoint) -> "httpx.Client":
    import httpx
    from huggingface_hub.utils._http import default_client_factory

    client = default_client_factory()
    client.timeout = httpx.Timeout(connect=CONNECT, read=READ, write=WRITE, pool=None)
    hooks = client.event_hooks
    client.event_hooks = {
        **hooks,
        "request": [*hooks.get("request", []), partial(_check_receiver, httpx.URL(endpoint.url))],
    }
    return client


def _check_receiver(server: "httpx.URL", request: "httpx.Request") -> None:
    """Refuse to send the token to another server: the next page's address is the answering server's to choose."""
    there = request.url
    if "Authorization" in request.headers and _origin(there) != _origin(server):
        raise HubError(
            f"{server} sends on to {there.scheme}://{there.netloc.decode()}, which must not get the token meant for it",
            fix="name the server that holds the dataset with --endpoint, or unset HF_TOKEN for a public dataset",
        )


def _origin(url: "httpx.URL") -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
