"""A version tag that was left behind: LeRobot reads the tag, people read the branch, and the two hold other files."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mstool.dataset.fingerprint import ABOUT
from mstool.hub.errors import Asked
from mstool.hub.inventory import RemoteFile, dataset_part, remote_files
from mstool.hub.options import PullOptions
from mstool.hub.tags import Refs, version_read
from mstool.progress import Notify

if TYPE_CHECKING:
    from huggingface_hub import HfApi

BRANCH = "main"


@dataclass(frozen=True)
class StaleTag:
    """The commits of both, and the files of the dataset that differ."""

    tag: str
    tag_commit: str
    branch_commit: str
    files: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {**asdict(self), "branch": BRANCH, "files": list(self.files)}

    def tell(self, asked: Asked, pulled: str, say: Notify) -> None:
        """Say what differs, which of the two is pulled, and how to get the other or to end the difference."""
        options = asked.options
        assert isinstance(options, PullOptions)
        which = "the tag" if pulled == self.tag else "the branch"
        say(
            f"warning: {asked.repo}: LeRobot reads {self.tag} (commit {self.tag_commit[:12]}), its pages show {BRANCH} "
            f"(commit {self.branch_commit[:12]}), and {len(self.files)} files of the dataset differ, first "
            f"{self.files[0]}; {which} is pulled"
        )
        move = shlex.join(["mstool", "push", str(options.root), "--repo-id", asked.repo])
        if pulled == self.tag:
            say(
                f"fix: {asked.again(revision=BRANCH)}  # what {BRANCH} holds; if it is yours, {move} then moves the tag"
            )
        else:
            say(f"fix: {move}  # moves the tag, if it is yours; --revision {self.tag} gets what LeRobot reads")


def find_stale_tag(
    api: "HfApi", asked: Asked, known: Refs, pulled: str, files: Mapping[str, RemoteFile]
) -> StaleTag | None:
    """Compare the version that LeRobot reads with the branch; None where they are alike, or another one is pulled.

    Parameters
    ----------
    api, asked
        The server, and what it was asked.
    known
        Its branches and tags.
    pulled
        The revision that is pulled, by the name it was asked for.
    files
        The files of that revision.

    """
    tag = version_read(known.all)
    commits = {name: known.all.get(name, "") for name in (tag or "", BRANCH)}
    if tag is None or pulled not in commits or "" in commits.values() or len(set(commits.values())) < 2:
        return None
    other = next(name for name in commits if name != pulled)
    there = dataset_part(remote_files(api, asked.repo, commits[other]))
    differing = sorted(
        path
        for path in (files.keys() | there.keys()) - ABOUT
        if path not in files or path not in there or files[path].key != there[path].key
    )
    return StaleTag(tag, commits[tag], commits[BRANCH], tuple(differing)) if differing else None
