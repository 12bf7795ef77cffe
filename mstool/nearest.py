"""The name that a mistyped one was meant to be, or none: a far-fetched guess misleads."""

import difflib
import re
from collections.abc import Iterable

# How alike two names must be (`difflib.SequenceMatcher.ratio`): `pi05_libro` and `pi05_libero` are by 0.95.
ALIKE = 0.7


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is nearly, None where there is none.

    Case, separators and the version at the end do not count: they would make any two environments alike.
    """
    plain = {_plain(each): each for each in known}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=ALIKE)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    return re.sub(r"-v\d+$|[-_ ]", "", name.lower())
