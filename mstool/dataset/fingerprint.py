"""The fingerprint of a dataset's content: what a validation report was made for, and what a push sends.

Nothing heavy is imported, so that whoever writes the report and whoever demands it share one function.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.files import CARD_FILE, CONTACT_SHEET_FILE, VALIDATION_FILE

# Files about the data, not of it: they come and go without making a validation report stale.
ABOUT = frozenset({VALIDATION_FILE, CARD_FILE, CONTACT_SHEET_FILE})

_CHUNK = 1 << 20


@dataclass(frozen=True)
class FileHash:
    """One file's size in bytes and SHA-256 as 64 hexadecimal digits."""

    size: int
    sha256: str


def dataset_files(root: Path) -> list[str]:
    """Return the dataset's files as sorted POSIX paths below `root`; hidden files and folders are not of it."""
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))


def hash_file(path: Path, on_bytes: Callable[[int], object] | None = None) -> FileHash:
    """Read a file once, a mebibyte at a time; `on_bytes` hears of every piece."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
            size += len(data)
            if on_bytes is not None:
                on_bytes(len(data))
    return FileHash(size, digest.hexdigest())


def combine(hashes: Mapping[str, FileHash]) -> str:
    """Return one SHA-256 over (path, size, SHA-256) of every file but those about the data, in the paths' order."""
    digest = hashlib.sha256()
    for path in sorted(hashes):
        if path not in ABOUT:
            digest.update(f"{path}\0{hashes[path].size}\0{hashes[path].sha256}\n".encode())
    return digest.hexdigest()


def content_hash(root: Path) -> str:
    """Return the fingerprint of the dataset at `root`: 64 hexadecimal digits, equal for equal content."""
    return combine({path: hash_file(root / path) for path in dataset_files(root) if path not in ABOUT})
