"""Pull a dataset: download beside its place, compare every file, open it, rename it into place.

What is unfinished lies in `.NAME.pull` beside the dataset, so the dataset's own folder is there whole or not at all,
and the same command goes on where the last one stopped, within a file too.
"""

import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mstool.atomic import link_or_copy
from mstool.dataset.files import INFO_FILE
from mstool.dataset.fingerprint import dataset_files, hash_file
from mstool.dataset.info import read_info
from mstool.dataset.locate import is_dataset
from mstool.dataset.names import check_repo_id
from mstool.dataset.target import refuse_around, refuse_in_dataset, refuse_others
from mstool.errors import UsageError
from mstool.folders import alone, beside, replace_folder
from mstool.hub.client import connect, quiet
from mstool.hub.download import download
from mstool.hub.endpoint import DEFAULT, choose
from mstool.hub.errors import Asked, HubError, explained
from mstool.hub.inventory import RemoteFile, dataset_part, is_same, remote_files
from mstool.hub.options import PullOptions, check_revision
from mstool.hub.stale_tag import BRANCH, find_stale_tag
from mstool.hub.tags import Refs, refs, version_read
from mstool.paths import writable_folder
from mstool.progress import Notify

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_PARTS = ".parts"


@dataclass(frozen=True)
class PullReport:
    """What a pull did, or with `dry_run` would do."""

    repo_id: str
    endpoint: str
    root: str
    dry_run: bool
    # The branch, tag or commit that was asked for, and the commit it stood for.
    asked_revision: str = ""
    revision: str = ""
    files: int = 0
    bytes: int = 0
    # Rows of {"change": "add" | "change" | "delete", "path", "bytes"}, against what lies at `root`.
    changes: tuple[dict[str, Any], ...] = ()
    download_bytes: int = 0
    verified: int = 0
    # {"tag", "tag_commit", "branch", "branch_commit", "files"}: LeRobot's version and the branch hold other files.
    stale_tag: dict[str, Any] | None = None
    # {"reader": "lerobot" | "metadata", "episodes", "frames"}; None: not opened.
    opened: dict[str, Any] | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the report for `--json`."""
        return asdict(self) | {"changes": list(self.changes)}


def pull(
    options: PullOptions, *, dry_run: bool = False, endpoint: str = "", say: Notify = lambda _: None
) -> PullReport:
    """Pull a dataset.

    Parameters
    ----------
    options
        What to pull, where from and where to.
    dry_run
        Ask the server what it has, and write nothing.
    endpoint
        The manifest entry's server, where `options` names none.
    say
        Hears of every step.

    Raises
    ------
    UsageError
        A name or an address cannot be, or the folder is taken.
    DataError
        What came is not a dataset that LeRobot opens.
    HubError
        The server, or the way to it, refused or failed; the message says what to do.

    """
    started = time.monotonic()
    check_repo_id(options.repo_id)
    if options.revision:
        check_revision(options.revision)
    # What is there already may lie where nothing can be written, and be what the server has.
    if not dry_run and not os.path.isdir(options.root):  # noqa: PTH112 - pathlib raises for a name that is too long
        writable_folder(options.root, "--output", beside=True)
    server = choose(options.endpoint, endpoint)
    asked = Asked(options, server)
    api = connect(server)
    if server.in_the_clear:
        say(f"warning: {server.url} is not https: a token and the data can be read on the way")
    with explained(asked), quiet():
        known = refs(api, options.repo_id)
        revision = options.revision or _default_revision(known, options.repo_id, say)
        commit = str(api.repo_info(options.repo_id, repo_type="dataset", revision=revision).sha or revision)
        files = _wanted(api, asked, commit, known)
        stale = find_stale_tag(api, asked, known, revision, files) if known else None
        if stale is not None:
            stale.tell(asked, revision, say)
        here = _same_files(options.root, files)
        changes = _changes(options.root, files, here)
        report = PullReport(
            repo_id=options.repo_id,
            endpoint=server.url,
            root=str(options.root),
            dry_run=dry_run,
            asked_revision=revision,
            revision=commit,
            files=len(files),
            bytes=sum(file.size for file in files.values()),
            changes=changes,
            download_bytes=sum(files[path].size for path in set(files) - here),
            stale_tag=None if stale is None else stale.to_json(),
        )
        if dry_run:
            return report
        if not changes:
            say(f"{options.root} is what {server.url} has")
            report = replace(report, verified=len(files), opened=_open(options.root, options))
        else:
            _check_target(asked, files)
            report = _filled(asked, files, here, report, say)
    return replace(report, seconds=round(time.monotonic() - started, 3))


def _filled(asked: Asked, files: dict[str, RemoteFile], here: set[str], report: PullReport, say: Notify) -> PullReport:
    options = asked.options
    assert isinstance(options, PullOptions)
    staging = beside(options.root, "pull")
    staging.mkdir(parents=True, exist_ok=True)
    with alone(staging / ".lock", f"another pull fills {staging}"):
        done = _same_files(staging, files)
        for path in set(dataset_files(staging)) - done:
            (staging / path).unlink()
        for path in here - done:
            _link(options.root / path, staging / path)
        missing = [files[path] for path in sorted(set(files) - done - here)]
        say(f"{options.repo_id} {report.asked_revision} from {report.endpoint}: {len(missing)} of {len(files)} files")
        download(asked, missing, report.revision, staging, staging / _PARTS, options.jobs)
        shutil.rmtree(staging / _PARTS, ignore_errors=True)
        opened = _open(staging, options)
        (staging / ".lock").unlink(missing_ok=True)
        replace_folder(staging, options.root)
    size = sum(file.size for file in missing)
    # Each file was compared when it came; what an earlier run or `root` gave was compared above.
    return replace(report, download_bytes=size, verified=len(files), opened=opened)


def _default_revision(known: Refs | None, repo_id: str, say: Notify) -> str:
    version = version_read(known.all) if known else None
    if version is None:
        why = "the server keeps no refs" if known is None else "it has no version tag"
        say(f"warning: {repo_id}: {why}, so its branch {BRANCH} is pulled, which may be half a push")
    return version or BRANCH


def _wanted(api: "HfApi", asked: Asked, revision: str, known: Refs | None) -> dict[str, RemoteFile]:
    files = dataset_part(remote_files(api, asked.repo, revision))
    if INFO_FILE not in files:
        raise _no_dataset(api, asked, revision, known)
    return files


def _no_dataset(api: "HfApi", asked: Asked, revision: str, known: Refs | None) -> HubError:
    """Say that there is no dataset at a revision: at which one there is, else how its files are had all the same."""
    said = f"{asked.endpoint.url}: {asked.repo} is not a LeRobot dataset at {revision[:12]} (no {INFO_FILE})"
    for name in dict.fromkeys(filter(None, (version_read(known.all) if known else None, BRANCH))):
        if known and known.all.get(name) not in {None, revision} and INFO_FILE in remote_files(api, asked.repo, name):
            return HubError(f"{said}, but at {name}", fix=asked.again(revision=name))
    server = "" if asked.endpoint.url == DEFAULT else f"HF_ENDPOINT={asked.endpoint.url} "
    return HubError(
        f"{said}, and pull brings nothing else", fix=f"{server}hf download {asked.repo} --repo-type dataset"
    )


def _same_files(root: Path, files: dict[str, RemoteFile]) -> set[str]:
    """Return the paths below `root` that hold what the server has."""
    same = set()
    for path, file in files.items():
        local = root / path
        if local.is_file() and local.stat().st_size == file.size:
            found = hash_file(local)
            if is_same(local, found.size, found.sha256, file):
                same.add(path)
    return same


def _changes(root: Path, files: dict[str, RemoteFile], here: set[str]) -> tuple[dict[str, Any], ...]:
    present = dict.fromkeys(dataset_files(root)) if root.is_dir() else {}
    rows = [
        {"change": "change" if path in present else "add", "path": path, "bytes": files[path].size}
        for path in sorted(set(files) - here)
    ]
    extra = [{"change": "delete", "path": path, "bytes": (root / path).stat().st_size} for path in present]
    return (*rows, *(row for row in extra if row["path"] not in files))


def _check_target(asked: Asked, files: Iterable[str]) -> None:
    options = asked.options
    assert isinstance(options, PullOptions)
    root = options.root
    refuse_around(root)
    writable_folder(root, "--output", beside=True)
    if not is_dataset(root):
        refuse_in_dataset(root, "--output", "pulled")
    if root.exists() and any(root.iterdir()):
        if not is_dataset(root):
            elsewhere = asked.again(root=root.with_name(f"{root.name}-pulled"))
            raise UsageError(f"{root} holds something that is not a dataset", fix=elsewhere)
        if not options.overwrite:
            raise UsageError(f"{root} holds another dataset or another version", fix=asked.again(overwrite=True))
        refuse_others(root, known=set(files))


def _open(root: Path, options: PullOptions) -> dict[str, Any] | None:
    info = read_info(root)
    if not options.open_it:
        return None
    from mstool.dataset.lerobot_reader import open_dataset

    return open_dataset(root, info)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(source, target)
