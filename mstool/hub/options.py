"""What a user asked for, and the command line that asks for it (again, or otherwise)."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from mstool.errors import WrongWordError

_REVISION = re.compile(r"[\w\-.][\w\-./]*", re.ASCII)
# Transfers at a time.
JOBS = 4


def check_revision(revision: str) -> None:
    """Raise UsageError unless `revision` can be the name of a branch, a tag or a commit."""
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise WrongWordError(
            f"{revision!r} is not the name of a branch, a tag or a commit", given=revision, instead="main"
        )


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """One push."""

    dataset: Path
    repo_id: str
    endpoint: str | None = None
    private: bool = False
    # The branch that gets the commit.
    revision: str = "main"
    # Whether the version tag follows; None: on `main` only.
    tag: bool | None = None
    # None: `OWN_LICENSE` where mstool made the dataset; of others the card says none.
    license: str | None = None
    force: bool = False
    # Download every file again and hash it, where a server's own word on hashes is not enough.
    read_back: bool = False
    # Uploads at a time.
    jobs: int = JOBS
    # What the hub calls it: `dataset` or `model`. A model's `dataset` is the folder of its run.
    repo_type: str = "dataset"

    def command(self) -> str:
        """Return the command line that asks for this."""
        words = ["mstool", "push", str(self.dataset), "--repo-id", self.repo_id]
        words += ["--endpoint", self.endpoint] if self.endpoint else []
        words += ["--revision", self.revision] if self.revision != "main" else []
        words += ["--private"] if self.private else []
        words += [] if self.tag is None else ["--tag" if self.tag else "--no-tag"]
        words += ["--license", self.license] if self.license else []
        words += ["--force"] if self.force else []
        words += ["--read-back"] if self.read_back else []
        words += ["--jobs", str(self.jobs)] if self.jobs != JOBS else []
        return shlex.join(words)


@dataclass(frozen=True, kw_only=True)
class PullOptions:
    """One pull."""

    repo_id: str
    root: Path
    endpoint: str | None = None
    # Branch, tag or commit; None: the version that LeRobot reads, else `main`.
    revision: str | None = None
    overwrite: bool = False
    # Open the result with LeRobot's reader at the end.
    open_it: bool = True
    # Downloads at a time.
    jobs: int = JOBS

    def command(self) -> str:
        """Return the command line that asks for this."""
        words = ["mstool", "pull", self.repo_id, "--output", str(self.root)]
        words += ["--endpoint", self.endpoint] if self.endpoint else []
        words += ["--revision", self.revision] if self.revision else []
        words += ["--overwrite"] if self.overwrite else []
        words += [] if self.open_it else ["--no-open"]
        words += ["--jobs", str(self.jobs)] if self.jobs != JOBS else []
        return shlex.join(words)


type HubOptions = PushOptions | PullOptions
