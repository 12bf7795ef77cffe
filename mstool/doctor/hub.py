"""The Hugging Face endpoint: which one, does it answer, is there a token."""

import threading
import urllib.error
import urllib.request

from mstool.doctor.line import Line, first_line

SECONDS = 2.0


def answers(endpoint: str, timeout: float = SECONDS) -> str:
    """Return "" when the endpoint answers within the time, else why not; an HTTP error is an answer too."""
    if not endpoint.startswith(("http://", "https://")):
        return "not an http(s) address"
    said: list[str] = []
    # A name that no server resolves can block far longer than any socket's timeout, so the wait is in a thread.
    asking = threading.Thread(target=lambda: said.append(_ask(endpoint, timeout)), daemon=True)
    asking.start()
    asking.join(timeout)
    return said[0] if said else f"no answer in {timeout:.0f} s"


def _ask(endpoint: str, timeout: float) -> str:
    request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=timeout):  # noqa: S310
            return ""
    except urllib.error.HTTPError:
        return ""
    except (urllib.error.URLError, OSError, ValueError) as error:
        return first_line(str(getattr(error, "reason", error)))


def endpoint_line(endpoint: str, problem: str) -> Line:
    """Judge the endpoint; without it, everything but download, push and pull works."""
    if problem:
        return Line(
            "hub",
            "warning",
            f"{endpoint} does not answer ({problem})",
            "only download, push and pull need it; set HF_ENDPOINT to a mirror you can reach",
        )
    return Line("hub", "ok", endpoint)


def token_line(*, present: bool) -> Line:
    """Whether there is a token; its value is nobody's business."""
    found = "there" if present else "none (only push, and private datasets, need one: `hf auth login`)"
    return Line("hub token", "ok", found)


def hub_lines() -> list[Line]:
    """Return the lines about the hub; takes at most about two seconds."""
    from huggingface_hub import get_token
    from huggingface_hub.constants import ENDPOINT

    return [endpoint_line(ENDPOINT, answers(ENDPOINT)), token_line(present=bool(get_token()))]
