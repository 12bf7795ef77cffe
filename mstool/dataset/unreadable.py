"""Why a file cannot be read, and what to do: not downloaded at all, never closed by its writer, or damaged."""

from dataclasses import dataclass
from pathlib import Path

_PARQUET = b"PAR1"
_LFS = b"version https://git-lfs.github.com/spec/"
_WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")
FINALIZE = "call LeRobotDataset.finalize() at the end of recording, and record or download the dataset again"


@dataclass(frozen=True)
class Reason:
    """What is wrong with a file; `fix` is empty where nothing is known of how it came about."""

    what: str
    fix: str


def placeholder(path: Path) -> Reason | None:
    """Tell what lies in a file's place where it was not downloaded; None where it may be the file itself."""
    try:
        with path.open("rb") as file:
            start = file.read(256).lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    except OSError:
        return None
    if start.startswith(_LFS):
        return Reason("a Git LFS pointer, not the file itself", "cd DATASET && git lfs pull")
    if start.startswith(_WEB_PAGE):
        fix = "download the file again, signed in to where it comes from: what was saved is an error or a login page"
        return Reason("a web page, not the file itself", fix)
    return None


def unreadable_parquet(path: Path, error: Exception) -> Reason:
    """Tell why arrow could not read a file."""
    if found := placeholder(path):
        return found
    first, last = _ends(path)
    if first == _PARQUET != last:
        return Reason("unreadable parquet (no footer: its writer was not closed, or the file breaks off)", FINALIZE)
    return Reason(f"unreadable parquet ({str(error).splitlines()[0]})", "")


def _ends(path: Path) -> tuple[bytes, bytes]:
    """Return the first and the last four bytes."""
    try:
        with path.open("rb") as file:
            first, size = file.read(4), file.seek(0, 2)
            file.seek(max(size - 4, 0))
            return first, file.read()
    except OSError:
        return b"", b""
