"""A name that there is not: which one was meant, or none, for a far-fetched guess misleads."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from mstool.errors import UsageError, WrongWordError

# How alike two names must be (`difflib.SequenceMatcher.ratio`): `pi05_libro` and `pi05_libero` are by 0.95.
ALIKE = 0.7


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is nearly, None where there is none.

    Case, separators and the version at the end do not count: they would make any two environments alike.
    """
    plain = {_plain(each): each for each in known}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=ALIKE)
    return plain[near[0]] if near else None


def folders_beside(path: Path, wanted: Callable[[Path], object]) -> list[Path]:
    """Return the folders beside `path` that are `wanted`, by name; one that may not be looked into is none."""
    found = []
    with suppress(OSError):
        for folder in sorted(path.parent.iterdir()):
            with suppress(OSError):
                found += [folder] if folder.name != path.name and wanted(folder) else []
    return found


def folder_beside(path: Path, wanted: Callable[[Path], object]) -> Path | None:
    """Return the folder beside `path` that is `wanted`, and of nearly its name; None where there is none."""
    near = nearest(path.name, [folder.name for folder in folders_beside(path, wanted)])
    return path.with_name(near) if near else None


def unknown(what: str, name: str, known: Collection[str], option: str) -> UsageError:
    """Say that there is nothing of a name, which one was meant, and which there are.

    Parameters
    ----------
    what
        Of what kind: `policy`.
    name, known
        The name that was given, and those there are.
    option
        The one that it was given with.

    """
    near = nearest(name, known)
    hint = f" (did you mean {near!r}?)" if near else ""
    said = f"unknown {what} {name!r}{hint}; there are: {', '.join(known)}"
    if near is None:
        return UsageError(said, fix=f"choose one of these with {option}", change={option: None})
    return WrongWordError(said, given=name, instead=near, fix=f"{option} {near}")


def no_environment(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Say that there is no environment of a name, which one was meant, and where they are listed.

    Parameters
    ----------
    what
        Of what kind: `ManiSkill environment`.
    name, known
        The name that was given, and those there are.

    """
    near = nearest(name, known)
    said = f"there is no {what} {name!r}."
    if near is None:
        return UsageError(said, fix="mstool envs")
    return WrongWordError(f"{said} Did you mean {near}?", given=name, instead=near, fix=f"mstool envs {near}")


def _plain(name: str) -> str:
    return re.sub(r"-v\d+$|[-_ ]", "", name.lower())
