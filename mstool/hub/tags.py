"""The version tag by which LeRobot finds a dataset."""

import re
from typing import TYPE_CHECKING

from mstool.hub.errors import Asked, HubError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_VERSION = re.compile(r"v(\d+)\.(\d+)(?:\.\d+)?")
# What a server without such an endpoint answers.
_LACKS = frozenset({404, 405, 501})


def refs(api: "HfApi", repo_id: str) -> dict[str, str] | None:
    """Return {tag: commit}; None from a server that keeps no refs."""
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        tags = api.list_repo_refs(repo_id, repo_type="dataset").tags
        return {str(ref.name): str(ref.target_commit) for ref in tags}
    except RepositoryNotFoundError:
        raise
    except HfHubHTTPError as error:
        if error.response.status_code in _LACKS:
            return None
        raise


def newest_version(tags: dict[str, str]) -> str | None:
    """Return the highest version tag: v3.0 before v2.1."""
    versions = {name: match for name in tags if (match := _VERSION.fullmatch(name))}
    return max(versions, key=lambda name: (int(versions[name][1]), int(versions[name][2])), default=None)


def move_tag(api: "HfApi", asked: Asked, tag: str, commit: str) -> None:
    """Make `tag` point to `commit`.

    Raises
    ------
    HubError
        The server keeps no tags, or says afterwards that the tag points elsewhere.

    """
    from huggingface_hub.errors import HfHubHTTPError

    known = refs(api, asked.repo)
    if known is not None and known.get(tag) == commit:
        return
    try:
        if known is not None and tag in known:
            api.delete_tag(asked.repo, tag=tag, repo_type="dataset")
        api.create_tag(asked.repo, tag=tag, revision=commit, repo_type="dataset", exist_ok=known is None)
    except HfHubHTTPError as error:
        if error.response.status_code in _LACKS:
            raise _no_tags(asked, tag) from error
        raise
    now = refs(api, asked.repo)
    if now is None:
        raise _no_tags(asked, tag)
    if now.get(tag) != commit:
        raise HubError(f"{asked.endpoint.url} shows tag {tag} at {now.get(tag)}, not at {commit}", fix=asked.again())


def _no_tags(asked: Asked, tag: str) -> HubError:
    return HubError(
        f"the files are at {asked.endpoint.url} and verified, but it keeps no tags or refs, and LeRobot looks for the "
        f'tag {tag}: load it with LeRobotDataset("{asked.repo}", revision="main")',
        fix=asked.again(tag=False),
    )
