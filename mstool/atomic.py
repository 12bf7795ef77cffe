"""Replace files all at once or not at all: the one way in which a file that somebody may be reading is written."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from mstool.errors import DataError
from mstool.folders import made


def replace_texts(texts: Mapping[Path, str]) -> tuple[Path, ...]:
    """Write files: all to temporary ones beside their targets first, then each renamed over its target.

    A reader sees the old file or the new one, never a part, even after a power failure; a full disk stops everything
    before the first target changes. A file keeps its mode.

    Raises
    ------
    OSError
        A file cannot be written.

    """
    with ExitStack() as stack:
        for path, text in reversed([*texts.items()]):  # left in the order of `texts`
            aside = stack.enter_context(written_aside(path))
            with aside.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
    return tuple(texts)


def replace_text(path: Path, text: str) -> Path:
    """Write one file, as `replace_texts` does."""
    replace_texts({path: text})
    return path


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with its ending, for a library to write; the block's end renames it.

    What fails within the block, a full disk too, leaves `path` as it was. A file keeps its mode.
    """
    aside = path.with_name(f".{uuid4().hex}.tmp{path.suffix}")
    with made(path.parent):
        try:
            yield aside
            if path.exists():
                aside.chmod(path.stat().st_mode & 0o777)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def replace_json(documents: Mapping[Path, object]) -> tuple[Path, ...]:
    """Write JSON documents, as `replace_texts` does; a value that JSON has no word for (NaN) changes nothing.

    Raises
    ------
    DataError
        A file cannot be written.

    """
    texts = {path: json.dumps(document, indent=2, allow_nan=False) + "\n" for path, document in documents.items()}
    try:
        return replace_texts(texts)
    except OSError as error:
        what = error.filename or " and ".join(map(str, documents))
        raise DataError(f"cannot write {what}: {error.strerror}", fix="--output DIR writes elsewhere") from error


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file that nobody changes in place a second name; a copy of its bytes where no link can be."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
