"""commands.md: every command with all its options, from the command line itself."""

from collections.abc import Iterator
from typing import Any

import typer

from generated_pages.markdown import code, table, text
from mstool.cli.app import app

INTRODUCTION = """# Command line

Every command has `--help` with examples, and most have `--json`. Data goes to stdout, everything else to stderr. Exit
codes: 0 fine, 1 the data or the work failed, 2 usage. An error names its cause and ends with the command that fixes
it. Everything that a command writes is named by `--output`. This page is made from the commands.
"""


def every(group: Any = None, path: tuple[str, ...] = ("mstool",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (words, command) of every command, those of groups included."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every(command, (*path, name))
        else:
            yield (*path, name), command


def page() -> str:
    """Return the page."""
    rows = [[f"[{code(' '.join(words))}](#{'-'.join(words)})", text(_first(command))] for words, command in every()]
    return "\n".join([INTRODUCTION, table(["command", "what it does"], rows), *(_command(*each) for each in every())])


def _first(command: Any) -> str:
    return command.get_short_help_str(limit=1000)


def _command(words: tuple[str, ...], command: Any) -> str:
    context = typer.Context(command, info_name=" ".join(words))
    explained, _, examples = command.help.partition("Examples:")
    given = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    parts = [f"## {' '.join(words)} {{ #{'-'.join(words)} }}\n"]
    parts += [text(paragraph) + "\n" for paragraph in explained.split("\n\n") if paragraph.strip()]
    parts += ["```", " ".join(command.get_usage(context).removeprefix("Usage: ").split()), "```\n"]
    if given:
        parts.append(table(["argument", "what it is"], [_row(each, context) for each in given]))
    if options:
        parts.append(table(["option", "what it is"], [_row(each, context) for each in options]))
    shown = [line.strip() for line in examples.splitlines() if line.strip()]
    if shown:
        parts += ["Examples:\n", "```", *shown, "```\n"]
    return "\n".join(parts)


def _row(parameter: Any, context: Any) -> list[str]:
    names, words = parameter.get_help_record(context) or (parameter.name, "")
    return [code(names), text(words)]
