"""Every error a user can meet. Anything else that reaches a user is a bug and keeps its traceback."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class MstoolError(Exception):
    """The data or the work failed (exit code 1).

    Parameters
    ----------
    message
        What is wrong, naming the file, episode or option at fault.
    fix
        The command (or the one sentence) that puts it right, filled in with the user's own arguments.
    change
        Where the user's own command does it with other options: these, as `{"--episodes": 3}`; None takes one away,
        True is a flag, a list the option once for each; a name without dashes is an argument that lacks, or, with None,
        one that is too many; {} is the same command again. The command line says that command, in the place of
        `fix`, with all its other words.

    """

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "", change: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        # What else a machine is told of it (--json).
        self.document: Mapping[str, Any] = {}
        self.message = message
        self.fix = fix
        self.change = change


class UsageError(MstoolError):
    """The command line asks for something that cannot be (exit code 2)."""

    exit_code = 2


class WrongWordError(UsageError):
    """One word of the command line cannot be, and another one is meant; the command line says the command with it.

    Parameters
    ----------
    message
        What is wrong with the given one.
    given, instead
        The path, name or address of the user, and the one that is meant.
    fix
        The command that says it where the user's own is not known.

    """

    def __init__(self, message: str, *, given: Path | str, instead: Path | str, fix: str = "") -> None:
        super().__init__(message, fix=fix or f"give {instead}")
        self.given = given
        self.instead = instead


class DataError(MstoolError):
    """An input file is missing, damaged, or does not say what it must."""


class SetupError(MstoolError):
    """The machine lacks something: a driver, a package, a device."""


class SaidElsewhereError(MstoolError):
    """Another process of the same run meets the same error, and says it."""


def together(*checks: Callable[[], Any]) -> list[Any]:
    """Run checks that do not depend on each other and return what they return; everything wrong is raised at once.

    Raises
    ------
    MstoolError
        The error of the one check that failed; of several all messages and fixes.

    """
    results, errors = [], []
    for check in checks:
        try:
            results.append(check())
        except MstoolError as error:
            errors.append(error)
    if len(errors) > 1:
        kind = UsageError if any(isinstance(each, UsageError) for each in errors) else MstoolError
        raise kind(
            "\n  ".join(each.message for each in errors), fix="\n  ".join(each.fix for each in errors if each.fix)
        )
    if errors:
        raise errors[0]
    return results
