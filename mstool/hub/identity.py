"""Who we are to a server: asked before anything is sent, so that a wrong token costs a second."""

from dataclasses import replace
from typing import TYPE_CHECKING

from mstool.hub.client import token
from mstool.hub.errors import Asked, no_token, read_only_token

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def identify(api: "HfApi", asked: Asked, *, needed: bool) -> Asked:
    """Ask the server whose token this is, and return `asked` with the name.

    Parameters
    ----------
    needed
        Whether something will be written. If not, a missing token is fine and nobody is asked.

    Raises
    ------
    HubError
        There is no token, or it may only read. A wrong token, a web page and so on are left to `explained`.

    """
    from huggingface_hub.errors import HfHubHTTPError

    if not needed:
        return asked
    if token() is None:
        raise no_token(asked)
    try:
        who = api.whoami()
    except HfHubHTTPError as error:
        page = "html" in error.response.headers.get("content-type", "")
        # Small hubs know no `whoami`: what the token may do shows when it is used.
        if error.response.status_code in {404, 405, 501} and not page:
            return asked
        raise
    access = ((who.get("auth") or {}).get("accessToken") or {}) if isinstance(who, dict) else {}
    if access.get("role") == "read":
        raise read_only_token(asked)
    return replace(asked, me=str(who.get("name") or asked.me))
