"""The name of a dataset, OWNER/NAME: LeRobot's `repo_id`, here and on a hub."""

import re

from mstool.errors import WrongWordError

# As huggingface_hub checks it: two parts of letters, digits, `-`, `_`, `.`; neither `--` nor `..`, at most 96 letters.
_REPO_ID = re.compile(r"(?=[^/]+/[^/]+$)[\w\-.]{1,96}/[\w\-.]{1,96}", re.ASCII)


def check_repo_id(repo_id: str) -> None:
    """Raise UsageError unless `repo_id` is OWNER/NAME as hubs allow it; the error names the one that was meant."""
    bad = not _REPO_ID.fullmatch(repo_id) or "--" in repo_id or ".." in repo_id
    if bad or len(repo_id) > 96 or any(part[0] in "-." or part[-1] in "-." for part in repo_id.split("/")):
        owner, _, name = repo_id.rpartition("/")
        raise WrongWordError(
            f"{repo_id!r} is not the name of a dataset: that is OWNER/NAME, of letters, digits, '-', '_' and '.'",
            given=repo_id,
            instead=f"{_allowed(owner, 'me')}/{_allowed(name, 'dataset')}",
        )


def _allowed(part: str, otherwise: str) -> str:
    return re.sub(r"[^\w\-.]+|--+|\.\.+", "-", part, flags=re.ASCII).strip("-.")[:40] or otherwise
