"""huggingface_hub with bounded waits; progress bars and messages are ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mstool.hub.endpoint import Endpoint, use

if TYPE_CHECKING:
    import httpx
    from huggingface_hub import HfApi

# Seconds. The library itself waits for ever; a commit of many files may keep a hub busy for minutes.
CONNECT, READ, WRITE = 15.0, 300.0, 120.0


def connect(endpoint: Endpoint) -> "HfApi":
    """Return the library's client for this server. No request is made."""
    use(endpoint)
    from huggingface_hub import HfApi, set_client_factory

    set_client_factory(_client)
    return HfApi(endpoint=endpoint.url, library_name="mstool")


def token() -> str | None:
    """Return the token from the usual places (HF_TOKEN, `hf auth login`), for headers and for nothing else."""
    from huggingface_hub import get_token

    return get_token()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's progress bars and log lines away: it logs every retry, and errors that we explain."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub")
    level, silent = logger.level, are_progress_bars_disabled()
    logger.setLevel(max(level, logging.CRITICAL))
    if not silent:
        disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if not silent:
            enable_progress_bars()


def _client() -> "httpx.Client":
    import httpx
    from huggingface_hub.utils._http import default_client_factory

    client = default_client_factory()
    client.timeout = httpx.Timeout(connect=CONNECT, read=READ, write=WRITE, pool=None)
    return client
