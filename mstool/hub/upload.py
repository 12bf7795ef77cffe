"""Send what differs: large files into the server's store one by one, then everything visible in one commit."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mstool.hub.inventory import FileDifference, LocalFile
from mstool.hub.options import PushOptions
from mstool.hub.transfers import Transfers

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

# More files than this would make one commit that hubs refuse or time out on (they advise against far fewer): then
# huggingface_hub's large-folder upload makes many, and only the tag, which comes last, shows a whole dataset.
ONE_COMMIT = 1000
_SMALL = 1 << 20
_BATCH = 64


def ensure_branch(api: "HfApi", options: PushOptions) -> None:
    """Create the repository and the branch where they are missing."""
    api.create_repo(options.repo_id, repo_type=options.repo_type, private=options.private or None, exist_ok=True)
    if options.revision != "main":
        api.create_branch(options.repo_id, repo_type=options.repo_type, branch=options.revision, exist_ok=True)


def upload(api: "HfApi", options: PushOptions, plan: FileDifference, head: str) -> str:
    """Send the difference and return the commit that holds the dataset; `head` is what it was compared with."""
    from huggingface_hub import CommitOperationDelete

    deletions = [CommitOperationDelete(file.path) for file in plan.stale]
    if len(plan.upload) > ONE_COMMIT:
        _many_commits(api, options, plan.upload)
        if not deletions:
            return _head(api, options)
        additions, parent = [], None
    else:
        with Transfers("upload", sum(file.hash.size for file in plan.upload), options.jobs) as transfers:
            additions, parent = [_addition(file, transfers) for file in plan.upload], head or None
            _preupload(api, options, additions, transfers)
    commit = api.create_commit(
        options.repo_id,
        operations=[*deletions, *additions],
        commit_message="mstool push",
        repo_type=options.repo_type,
        revision=options.revision,
        parent_commit=parent,
    )
    return commit.oid or _head(api, options)


def _preupload(api: "HfApi", options: PushOptions, additions: list[Any], transfers: Transfers) -> None:
    """Send large files to the store. What it holds already (an interrupted push) is not sent again.

    Large files go one by one: the addresses that a server gives for an upload expire, on a slow link before a batch
    of them is used. Small ones go in batches, since each batch costs two round trips.
    """

    def send(batch: list[Any]) -> None:
        api.preupload_lfs_files(
            options.repo_id,
            batch,
            repo_type=options.repo_type,
            revision=options.revision,
            num_threads=1,
            free_memory=False,
        )
        for addition in batch:
            # What was not read through Python: small text files, files that the server had, Xet uploads.
            transfers.moved(addition.upload_info.size - addition.counted)
            addition.counted = addition.upload_info.size

    large = [[addition] for addition in additions if addition.upload_info.size > _SMALL]
    small = [addition for addition in additions if addition.upload_info.size <= _SMALL]
    transfers.run(send, [*large, *(list(batch) for batch in batched(small, _BATCH))])


def _many_commits(api: "HfApi", options: PushOptions, files: tuple[LocalFile, ...]) -> None:
    """Let the library upload a folder of links to the files that differ.

    The folder is new every time: the library keeps its state in it, and that state is wrong for another repository.
    Nothing is lost, since what differs was found by asking the server, and its store knows the objects it has.
    """
    import warnings

    with tempfile.TemporaryDirectory(prefix="mstool-push-") as folder:
        for file in files:
            link = Path(folder) / file.path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.source.resolve())
        with warnings.catch_warnings():
            # Its successor makes one single commit where the server has no Xet.
            warnings.simplefilter("ignore", FutureWarning)
            api.upload_large_folder(
                repo_id=options.repo_id,
                folder_path=folder,
                repo_type=options.repo_type,
                revision=options.revision,
                num_workers=options.jobs,
                print_report=False,
            )


def _head(api: "HfApi", options: PushOptions) -> str:
    return api.repo_info(options.repo_id, repo_type=options.repo_type, revision=options.revision).sha or ""


def _addition(file: LocalFile, transfers: Transfers) -> "CommitOperationAdd":
    from huggingface_hub import CommitOperationAdd

    class Counted(CommitOperationAdd):
        """An addition whose bytes we count."""

        counted = 0

        @contextmanager
        def as_file(self, with_tqdm: bool = False) -> Iterator[BinaryIO]:
            if not with_tqdm:
                with super().as_file() as plain:
                    yield plain
                return
            with _Counter(str(self.path_or_fileobj), self, transfers) as counting:
                yield counting

    addition = Counted(path_in_repo=file.path, path_or_fileobj=str(file.source))
    addition.upload_info.sha256 = bytes.fromhex(file.hash.sha256)
    return addition


class _Counter(io.FileIO):
    """A file that tells how far it was read; a retry rewinds both."""

    def __init__(self, path: str, owner: Any, transfers: Transfers) -> None:
        super().__init__(path, "rb")
        self._owner, self._transfers = owner, transfers

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._move()
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        position = super().seek(offset, whence)
        if whence != io.SEEK_END:
            self._move()
        return position

    def _move(self) -> None:
        position = self.tell()
        self._transfers.moved(position - self._owner.counted)
        self._owner.counted = position
