"""The user's own command, said again as it should be: every word that is not at fault stays."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mstool.errors import MstoolError, WrongWordError

# How a result is shown, and whether anything is done at all: what a command that is told must not lose.
_KEPT = ("--json", "--dry-run")


def fix_of(error: MstoolError, words: Sequence[str], app: Any) -> str:
    """Return an error's fix in the words of the command line.

    Parameters
    ----------
    error
        What was met.
    words
        The command line, without `mstool`.
    app
        Typer's command, with its subcommands, which knows the options' names.

    """
    own = ""
    if isinstance(error, WrongWordError):
        own = _with_the_one_meant(error, words)
    elif error.change is not None:
        own = _changed(error.change, words, app)
    return own or _kept(error.fix, words, app)


def _with_the_one_meant(error: WrongWordError, words: Sequence[str]) -> str:
    """Return the command with what is meant in the place of what was given."""
    changed = [_replaced(word, error) for word in words]
    return shlex.join(["mstool", *changed]) if changed != list(words) else ""


def _replaced(word: str, error: WrongWordError) -> str:
    """Replace the given path or name in `DATASET`, `--dataset=DATASET`, `replay:DATASET` or `ONE,ANOTHER`."""
    for start in ("", "=", ":"):
        before, mark, given = word.partition(start) if start else ("", "", word)
        if given and Path(given) == Path(error.given):
            return f"{before}{mark}{error.instead}"
        names = given.split(",")
        if given and str(error.given) in names:
            return before + mark + ",".join(str(error.instead) if each == str(error.given) else each for each in names)
    return word


def _changed(change: Mapping[str, object], words: Sequence[str], app: Any) -> str:
    """Return the command with other options; "" where it has no such option."""
    names, rest, command = _command(words, app)
    options = {name: each for each in command.params for name in each.opts if name.startswith("-")}
    more: list[str] = []
    for name, value in change.items():
        if not name.startswith("-"):
            if value is None:
                rest = _without_argument(name, rest, options)
            else:
                more.append(str(value))
            continue
        if name not in options:
            if value is None:
                continue
            return ""
        rest = _without(options[name], rest)
        if value is not None and value is not False:
            each = value if isinstance(value, list) else [value]
            more += [name] if value is True else [word for one in each for word in (name, str(one))]
    return shlex.join(["mstool", *names, *rest, *more])


def _command(words: Sequence[str], app: Any) -> tuple[list[str], list[str], Any]:
    """Return the names of the subcommand that was given, the words after them, and Typer's command of it."""
    names: list[str] = []
    while len(names) < len(words) and words[len(names)] in getattr(app, "commands", {}):
        app = app.commands[words[len(names)]]
        names.append(words[len(names)])
    return names, list(words[len(names) :]), app


def _without(option: Any, words: Sequence[str]) -> list[str]:
    """Return the words without an option, in whichever form it was given, and its value."""
    left: list[str] = []
    skip = 0
    for word in words:
        if skip:
            skip -= 1
        elif word in (*option.opts, *option.secondary_opts):
            skip = 0 if option.is_flag else option.nargs
        elif not any(_joined(word, name) for name in option.opts if not option.is_flag):
            left.append(word)
    return left


def _without_argument(given: str, words: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """Return the words without an argument, a name or a path; of one that is given more than once the first stays."""
    found: list[int] = []
    of_option = 0
    for index, word in enumerate(words):
        if of_option:
            of_option -= 1
        elif word in options:
            of_option = 0 if options[word].is_flag else options[word].nargs
        elif Path(word) == Path(given):
            found.append(index)
    taken = set(found[1:] or found)
    return [word for index, word in enumerate(words) if index not in taken]


def _joined(word: str, name: str) -> bool:
    """Tell whether a word is an option with its value: `--episodes=3` or `-n3`."""
    return word.startswith(f"{name}=" if name.startswith("--") else name)


def _kept(fix: str, words: Sequence[str], app: Any) -> str:
    """Return a fix in which the user's own command, with other words, is still shown and still only tried."""
    names, rest, _ = _command(words, app)
    own = shlex.join(["mstool", *names]) + " "
    lost = [word for word in _KEPT if word in rest and word not in fix]
    if not names or not lost or "--help" in fix:
        return fix
    return fix.replace(own, own + " ".join(lost) + " ")
