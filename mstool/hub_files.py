"""What of a hub's repository is on this machine, and whether the hub would give the rest: known in seconds.

The hub's own library tries again for minutes when nobody answers, which is right for a download and wrong for a plan.
"""

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.json_files import load_json

# How long a hub may take to answer at all, s.
_PATIENCE = 5.0
_NOT_FOUND = 404


@dataclass(frozen=True)
class HubFiles:
    """Files of one repository that something needs."""

    name: str
    # All of them are in the local cache.
    cached: bool
    # Why they cannot be had, "" where they are here or the hub gives them.
    missing: str
    # The command that fetches them.
    download: str


def find_files(name: str, files: Sequence[str], *, gigabytes: float = 0.0, only: str = "") -> HubFiles:
    """Look for files of the repository `name` in the cache, else ask the hub for them, once and briefly.

    Parameters
    ----------
    name, files
        OWNER/NAME, and paths in it.
    gigabytes
        Size of the download, for the message.
    only
        Options of `hf download` that leave the rest of the repository out.

    """
    from huggingface_hub import constants, try_to_load_from_cache

    lacking = [file for file in files if not isinstance(try_to_load_from_cache(name, file), str)]
    refusal = setting = ""
    if lacking:
        unreachable = hub_refusal()
        refusal = unreachable or _within(_PATIENCE, lambda: _file_refusal(name, lacking[0]), constants.ENDPOINT)
        setting = another_hub() if unreachable else ""
    size = f" (about {gigabytes:.0f} GB)" if gigabytes >= 0.5 else ""
    why = f"not on this machine{size}, and {refusal}" if refusal else ""
    return HubFiles(name, not lacking, why, f"{setting}hf download {name}{only and ' ' + only}")


def checkpoint_parts(folder: Path) -> list[HubFiles]:
    """Look for what a LeRobot checkpoint names beside its own files: a tokenizer, a model that it was built on."""
    adapters, config = read_json(folder / "adapter_config.json"), read_json(folder / "config.json")
    steps = read_json(folder / "policy_preprocessor.json").get("steps", [])
    model = ["config.json", "model.safetensors"]
    named = [((step.get("config") or {}).get("tokenizer_name"), ["tokenizer_config.json"]) for step in steps]
    named.append((config.get("vlm_model_name"), model if config.get("load_vlm_weights") else model[:1]))
    named.append((adapters.get("base_model_name_or_path"), model))
    return [
        find_files(name, files)
        for name, files in named
        if isinstance(name, str) and name.count("/") == 1 and not Path(name).is_dir()
    ]


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty where there is none."""
    try:
        data = load_json(path)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


@contextmanager
def offline() -> Iterator[None]:
    """Let no library ask a hub while the block runs: what is in the cache is taken as it is."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep away what huggingface_hub logs: every retry, and errors that we explain."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(max(level, logging.CRITICAL))
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def briefly(refusal: str) -> Iterator[None]:
    """Let huggingface_hub fetch without its log; where there is a refusal (`hub_refusal`), from what is here alone."""
    with unlogged(), offline() if refusal else nullcontext():
        yield


def another_hub() -> str:
    """Return the setting to put before a command that no hub answered."""
    from huggingface_hub import constants

    return "HF_HUB_OFFLINE=0 " if constants.HF_HUB_OFFLINE else "HF_ENDPOINT=https://MIRROR "


def hub_refusal(endpoint: str = "") -> str:
    """Return why the hub, or the one at another address, cannot be asked, "" where it answers."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE forbids to ask the hub"
    return _endpoint_refusal(endpoint or constants.ENDPOINT)


@functools.cache
def _endpoint_refusal(endpoint: str) -> str:
    """Ask once per process."""

    def ask() -> str:
        import httpx

        try:
            httpx.head(endpoint, timeout=_PATIENCE)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return f"{endpoint} cannot be reached ({error or type(error).__name__})"
        return ""

    return _within(_PATIENCE, ask, endpoint)


def _file_refusal(name: str, file: str) -> str:
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    hub = constants.ENDPOINT
    try:
        get_hf_file_metadata(hf_hub_url(name, file), timeout=_PATIENCE)
    except GatedRepoError:
        return f"{hub} asks for its licence to be accepted first (on its page there, then: hf auth login)"
    except RepositoryNotFoundError:
        return f"{hub} has no such repository (a private one needs: hf auth login)"
    except EntryNotFoundError:
        return f"{hub} has no {file} of it"
    except HfHubHTTPError as error:
        status = error.response.status_code
        return f"{hub} has none of this name" if status == _NOT_FOUND else f"{hub} does not give it: status {status}"
    except Exception as error:  # noqa: BLE001  # every failure of the way to a hub means the same here
        return f"{hub} does not give it ({error or type(error).__name__})"
    return ""


def _within(seconds: float, ask: Callable[[], str], who: str) -> str:
    """Return what `ask` does, or that nobody answered in time: looking a name up has no time limit of its own."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds + 1)
    return answers[0] if answers else f"{who} does not answer within {seconds:g} s"
