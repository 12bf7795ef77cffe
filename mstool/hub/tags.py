"""The version tag by which LeRobot finds a dataset."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mstool.dataset.training import VERSION
from mstool.hub.errors import Asked, HubError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_VERSION = re.compile(r"v(\d+)\.(\d+)(?:\.(\d+))?")
# What a server without such an endpoint answers.
_LACKS = frozenset({404, 405, 501})


@dataclass(frozen=True)
class Refs:
    """The names of a repository's commits: {name: commit}."""

    branches: dict[str, str]
    tags: dict[str, str]

    @property
    def all(self) -> dict[str, str]:
        """Return both; LeRobot looks for its version among both."""
        return self.branches | self.tags


def refs(api: "HfApi", repo_id: str) -> Refs | None:
    """Ask for the branches and tags; None from a server that keeps no refs."""
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        found = api.list_repo_refs(repo_id, repo_type="dataset")
        branches, tags = (
            {str(ref.name): str(ref.target_commit) for ref in kind} for kind in (found.branches, found.tags)
        )
        return Refs(branches, tags)
    except RepositoryNotFoundError:
        raise
    except HfHubHTTPError as error:
        if error.response.status_code in _LACKS:
            return None
        raise


def version_read(names: Iterable[str]) -> str | None:
    """Return the branch or tag that LeRobot reads; where it reads none, the newest version; None where there is none.

    As lerobot 0.6.1 chooses, datasets/utils.py, get_safe_version: its own version, else the newest of the same major
    number that is not newer. Older ones are openpi's (v2.1), newer ones those of a LeRobot to come.
    """
    versions = {name: _numbers(match) for name in names if (match := _VERSION.fullmatch(name))}
    if VERSION in versions:
        return VERSION
    own = _VERSION.fullmatch(VERSION)
    assert own is not None
    major, minor, _ = _numbers(own)
    fitting = [name for name, number in versions.items() if number[0] == major and number[1] <= minor]
    older = [name for name, number in versions.items() if number[0] < major]
    return max(fitting or older or versions, key=lambda name: versions[name], default=None)


def _numbers(match: re.Match[str]) -> tuple[int, int, int]:
    return int(match[1]), int(match[2]), int(match[3] or 0)


def move_tag(api: "HfApi", asked: Asked, tag: str, commit: str) -> None:
    """Make `tag` point to `commit`.

    Raises
    ------
    HubError
        The server keeps no tags, or says afterwards that the tag points elsewhere.

    """
    from huggingface_hub.errors import HfHubHTTPError

    known = refs(api, asked.repo)
    if known is not None and known.tags.get(tag) == commit:
        return
    try:
        if known is not None and tag in known.tags:
            api.delete_tag(asked.repo, tag=tag, repo_type="dataset")
        api.create_tag(asked.repo, tag=tag, revision=commit, repo_type="dataset", exist_ok=known is None)
    except HfHubHTTPError as error:
        if error.response.status_code in _LACKS:
            raise _no_tags(asked, tag) from error
        raise
    now = refs(api, asked.repo)
    if now is None:
        raise _no_tags(asked, tag)
    if (there := now.tags.get(tag)) != commit:
        raise HubError(f"{asked.endpoint.url} shows tag {tag} at {there}, not at {commit}", fix=asked.again())


def _no_tags(asked: Asked, tag: str) -> HubError:
    return HubError(
        f"the files are at {asked.endpoint.url} and verified, but it keeps no tags or refs, and LeRobot looks for the "
        f'tag {tag}: load it with LeRobotDataset("{asked.repo}", revision="main")',
        fix=asked.again(tag=False),
    )
