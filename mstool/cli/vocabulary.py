"""Option names of the version before: they still work in this one, and stderr says that they go."""

from collections.abc import Callable

from mstool.cli.output import say

# Everything that a command writes is `--output`.
_OLD_WORDS = {"root": "output", "out": "output"}


def renamed(**more: str) -> Callable[[str], str]:
    """Return what Typer asks for every option's name (`token_normalize_func`): old words become the new ones.

    Parameters
    ----------
    more
        Old words of a single command.

    """
    words = _OLD_WORDS | more

    def normalize(word: str) -> str:
        new = words.get(word)
        if new is None:
            return word
        say(f"--{word} is called --{new} now; the old name goes with the next version")
        return new

    return normalize
