"""JSON files that strangers wrote, read within bounds: size, nesting and numbers, before anything is made of them."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A document, or a file of one document per line. Python's objects take up to 30 times the bytes of short text.
MOST_BYTES = 64 * 1024**2
MOST_BYTES_OF_LINES = 512 * 1024**2
# Lists and objects in a file: the smallest takes two bytes there, and 64 in memory.
MOST_CONTAINERS = 16_000_000
# Python's own functions follow nesting by recursion, which ends at about a thousand.
MOST_DEPTH = 64
_LONG_NUMBER = re.compile(r"\d{19}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def load_json(path: Path) -> Any:
    """Read a document.

    Raises
    ------
    OSError
        It is not there, or cannot be read.
    ValueError
        It is not a regular file, not JSON in UTF-8, or beyond the bounds; the message says which, without the path.

    """
    return parse_json(_read(path, MOST_BYTES))


def load_json_lines(path: Path) -> list[Any]:
    """Read a file of one document per line, as `load_json` does; blank lines count for nothing."""
    return list(_lines(_read(path, MOST_BYTES_OF_LINES)))


def parse_json(data: bytes) -> Any:
    """Return what a document says.

    Raises
    ------
    ValueError
        It is not JSON in UTF-8, or beyond the bounds.

    """
    if data.count(b"[") + data.count(b"{") > MOST_CONTAINERS:
        raise ValueError(f"more than {MOST_CONTAINERS} lists and objects")
    text = data.decode()
    try:
        document = json.loads(text, parse_int=_bounded if _LONG_NUMBER.search(text) else None)
    except RecursionError:
        raise _too_deep() from None
    _check_depth(document)
    if _SURROGATE.search(text):
        # Half of a pair is no character: it can neither be printed nor written again.
        json.dumps(document, ensure_ascii=False).encode()
    return document


def _read(path: Path, most: int) -> bytes:
    # A pipe never ends, nor does /dev/zero behind a link.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"larger than {most >> 20} MiB")
    return data


def _lines(data: bytes) -> Iterator[Any]:
    if data.count(b"[") + data.count(b"{") > MOST_CONTAINERS:
        raise ValueError(f"more than {MOST_CONTAINERS} lists and objects")
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line or line.isspace():
            continue
        try:
            yield parse_json(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error


def _check_depth(document: Any) -> None:
    level, depth = [document], 0
    while level:
        if depth > MOST_DEPTH:
            raise _too_deep()
        parts = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [child for part in parts for child in part if isinstance(child, dict | list)]
        depth += 1


def _too_deep() -> ValueError:
    return ValueError(f"nested more than {MOST_DEPTH} deep")


def _bounded(digits: str) -> int:
    # Longer ones are no count of anything; they overflow where they meet numpy or a float.
    if len(digits) > 20 or not -(1 << 63) <= (number := int(digits)) < 1 << 64:
        raise ValueError(f"a number beyond 64 bits ({digits[:20]}...)")
    return number
