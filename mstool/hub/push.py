"""Push a dataset, or a model: check, plan, upload, one commit, verify, tag last.

A large file goes to the server's store first, where nobody sees it; one commit then makes the whole dataset visible.
LeRobot finds a dataset by the tag named after its version, which moves only after every file was compared with the
server's. So a push that stops anywhere leaves what was loadable before, and the same command goes on from there.
"""

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mstool.dataset.files import CARD_FILE, CONTACT_SHEET_FILE
from mstool.dataset.fingerprint import combine, hash_file
from mstool.dataset.info import Info, read_info
from mstool.dataset.names import check_repo_id
from mstool.errors import DataError
from mstool.hub.card import CardFacts, is_ours, write_card
from mstool.hub.client import connect, quiet
from mstool.hub.contact_sheet import contact_sheet
from mstool.hub.endpoint import choose
from mstool.hub.errors import Asked, HubError, explained
from mstool.hub.gate import check_validation
from mstool.hub.identity import identify
from mstool.hub.inventory import FileDifference, LocalFile, compare, differing, local_files, remote_files
from mstool.hub.options import PushOptions, check_revision
from mstool.hub.tags import move_tag
from mstool.progress import Notify

if TYPE_CHECKING:
    from huggingface_hub import HfApi


@dataclass(frozen=True)
class PushReport:
    """What a push did, or with `dry_run` would do."""

    repo_id: str
    endpoint: str
    branch: str
    # The tag that follows, empty for none; `tagged` once it stands.
    tag: str
    dry_run: bool
    files: int = 0
    bytes: int = 0
    # Rows of {"change": "add" | "change" | "delete", "path", "bytes"}.
    changes: tuple[dict[str, Any], ...] = ()
    upload_bytes: int = 0
    # The commit that holds the dataset.
    revision: str = ""
    verified: int = 0
    read_back: int = 0
    tagged: bool = False
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the report for `--json`."""
        return asdict(self) | {"changes": list(self.changes)}


def push(
    options: PushOptions, *, dry_run: bool = False, endpoint: str = "", say: Notify = lambda _: None
) -> PushReport:
    """Push a dataset.

    Parameters
    ----------
    options
        What to push, where to, and how.
    dry_run
        Ask the server what it has, and change nothing there.
    endpoint
        The manifest entry's server, where `options` names none.
    say
        Hears of every step.

    Raises
    ------
    UsageError
        A name or an address cannot be.
    DataError
        The dataset is not there, not validated, or cannot be read.
    HubError
        The server, or the way to it, refused or failed; the message says what to do.

    """
    started = time.monotonic()
    check_repo_id(options.repo_id)
    check_revision(options.revision)
    info = read_info(options.dataset)
    server = choose(options.endpoint, endpoint)
    files = local_files(options.dataset)
    target = _gate(options, info, files, say)
    tag = info.codebase_version if _wants_tag(options) else ""
    with tempfile.TemporaryDirectory(prefix="mstool-push-") as folder:
        files |= _about(options, info, target, Path(folder), say)
        report = PushReport(options.repo_id, server.url, options.revision, tag, dry_run)
        report = _sent(Asked(options, server), files, report, say)
    return replace(report, seconds=round(time.monotonic() - started, 3))


def push_model(
    options: PushOptions, folder: Path, *, dry_run: bool = False, say: Notify = lambda _: None
) -> PushReport:
    """Push the files of a folder, card and all, as a model repository.

    Parameters
    ----------
    options
        Where to, and how; `dataset` is what the user named.
    folder
        What the repository is to hold.
    dry_run, say
        As of `push`.

    Raises
    ------
    UsageError, HubError
        As `push`.

    """
    started = time.monotonic()
    check_repo_id(options.repo_id)
    check_revision(options.revision)
    options = replace(options, repo_type="model")
    server = choose(options.endpoint, "")
    files = {path.name: LocalFile(path.name, path, hash_file(path)) for path in sorted(folder.iterdir())}
    report = PushReport(options.repo_id, server.url, options.revision, "", dry_run)
    report = _sent(Asked(options, server), files, report, say)
    return replace(report, seconds=round(time.monotonic() - started, 3))


def _sent(asked: Asked, files: dict[str, LocalFile], report: PushReport, say: Notify) -> PushReport:
    """Connect, and push as whom the server knows the token's owner."""
    if asked.endpoint.in_the_clear:
        say(f"warning: {asked.endpoint.url} is not https: a token and the data can be read on the way")
    api = connect(asked.endpoint)
    report = replace(report, files=len(files), bytes=sum(file.hash.size for file in files.values()))
    with explained(asked), quiet():
        asked = identify(api, asked, needed=not report.dry_run)
        # From here on the messages know whose token it is.
        with explained(asked):
            return _pushed(api, asked, files, report, say)


def _pushed(api: "HfApi", asked: Asked, files: dict[str, LocalFile], report: PushReport, say: Notify) -> PushReport:
    from mstool.hub.upload import ensure_branch, upload

    options = asked.options
    assert isinstance(options, PushOptions)
    if report.dry_run:
        plan, head = _plan(api, options, files)
        return replace(_described(plan, report), revision=head)
    ensure_branch(api, options)
    if options.private and not api.repo_info(options.repo_id, repo_type=options.repo_type).private:
        raise HubError(
            f"{options.repo_id} is there already and public: --private cannot hide what is pushed to it",
            fix=f"HF_ENDPOINT={report.endpoint} hf repos settings {options.repo_id} --type {options.repo_type} "
            f"--private && {asked.again()}",
        )
    plan, head = _plan(api, options, files)
    report = _described(plan, report)
    say(
        f"{options.repo_id} at {report.endpoint} (from {asked.endpoint.named_by}): {len(plan.upload)} files to send, "
        f"{len(plan.stale)} to remove, {len(plan.same)} there already"
    )
    report = replace(report, revision=head if plan.empty else upload(api, options, plan, head))
    report = _verified(api, asked, files, report, say)
    if report.tag:
        move_tag(api, asked, report.tag, report.revision)
    return replace(report, tagged=bool(report.tag))


def _verified(api: "HfApi", asked: Asked, files: dict[str, LocalFile], report: PushReport, say: Notify) -> PushReport:
    options = asked.options
    assert isinstance(options, PushOptions)
    there = remote_files(api, options.repo_id, report.revision, options.repo_type)
    problems = differing(files.values(), there)
    read = 0
    if not problems and options.read_back:
        from mstool.hub.download import read_back

        say("reading every file back")
        problems = read_back(asked, files, there, report.revision)
        read = len(files)
    if problems:
        raise HubError(
            f"{report.endpoint} does not hold what was sent, so no tag points to it:\n  " + "\n  ".join(problems),
            fix=asked.again(),
        )
    return replace(report, verified=len(files), read_back=read)


def _gate(options: PushOptions, info: Info, files: dict[str, LocalFile], say: Notify) -> str:
    content = combine({path: file.hash for path, file in files.items()})
    try:
        return check_validation(options.dataset, info, content)
    except DataError as error:
        if not options.force:
            raise
        say(f"warning: {error.message}; pushed all the same (--force)")
        return ""


def _about(options: PushOptions, info: Info, target: str, folder: Path, say: Notify) -> dict[str, LocalFile]:
    """Write card and contact sheet into `folder`, the dataset's own folder stays as it is: {path: file}."""
    try:
        sheet = contact_sheet(options.dataset, info)
    except DataError as error:
        if not options.force:
            raise
        say(f"warning: {error.message}; no contact sheet (--force)")
        sheet = None
    about = {CONTACT_SHEET_FILE: sheet} if sheet else {}
    own = options.dataset / CARD_FILE
    if own.is_file() and not is_ours(own.read_text(encoding="utf-8", errors="replace")):
        say(f"{own} is not mstool's: it goes up as it is")
    else:
        facts = CardFacts(options.repo_id, options.license, target, sheet is not None)
        about[CARD_FILE] = write_card(options.dataset, info, facts).encode()
    files = {}
    for path, data in about.items():
        source = folder / Path(path).name
        source.write_bytes(data)
        files[path] = LocalFile(path, source, hash_file(source))
    return files


def _plan(api: "HfApi", options: PushOptions, files: dict[str, LocalFile]) -> tuple[FileDifference, str]:
    """Compare with the branch: what differs, and the commit it was compared with (empty: no such repository yet)."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        head = api.repo_info(options.repo_id, repo_type=options.repo_type, revision=options.revision).sha or ""
        return compare(files, remote_files(api, options.repo_id, head, options.repo_type)), head
    except (RepositoryNotFoundError, RevisionNotFoundError):
        return compare(files, {}), ""


def _described(plan: FileDifference, report: PushReport) -> PushReport:
    rows = [("add", f.path, f.hash.size) for f in plan.added]
    rows += [("change", f.path, f.hash.size) for f in plan.changed]
    rows += [("delete", f.path, f.size) for f in plan.stale]
    changes = tuple({"change": change, "path": path, "bytes": size} for change, path, size in rows)
    return replace(report, changes=changes, upload_bytes=sum(file.hash.size for file in plan.upload))


def _wants_tag(options: PushOptions) -> bool:
    return options.tag if options.tag is not None else options.revision == "main"
