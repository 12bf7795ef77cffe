"""What callers may write in more than one way."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

type PathLike = str | os.PathLike[str]
# One word, several by comma, or a list of them.
type Words = str | Sequence[str]


def path_or_none(given: PathLike | None) -> Path | None:
    """Return a path where one was given."""
    return None if given is None else Path(given)


def paths(given: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return the path, or each of them."""
    return [Path(given)] if isinstance(given, str | os.PathLike) else [Path(path) for path in given]


def words(given: Words | None) -> list[str]:
    """Return every word of `"a,b"`, or of a list of such."""
    texts = [given] if isinstance(given, str) else given or ()
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def pairs(given: str | Sequence[str] | Mapping[str, str] | None) -> list[str]:
    """Return `"name=value"` words, from such words or from a table."""
    if isinstance(given, Mapping):
        return [f"{name}={value}" for name, value in given.items()]
    return [given] if isinstance(given, str) else list(given or ())
