"""The commands that the documents and every `--help` show exist, with the options they are shown with."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from mstool.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
GROUP = typer.main.get_command(app)


def load_benchmark():
    spec = importlib.util.spec_from_file_location("benchmarks_readme", ROOT / "benchmarks" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


benchmark = load_benchmark()


def helps(group=GROUP, path=("mstool",)):
    """Yield (name, help text) of every command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from helps(command, (*path, name))
        else:
            yield " ".join((*path, name)), command.help


def shown():
    """Yield (where, command) for every `mstool ...` that a reader may copy."""
    for document in ("README.md", "CONTRIBUTING.md"):
        for command in benchmark.commands((ROOT / document).read_text(encoding="utf-8")):
            if command.startswith("mstool "):
                yield document, command
    for name, text in helps():
        for line in text.splitlines():
            if line.strip().startswith("mstool "):
                yield name, re.split(r"\s{2,}\(", line.strip())[0]
    for command, how in benchmark.COMMANDS.items():
        if isinstance(how, benchmark.Run) and benchmark.line(command).startswith("mstool "):
            yield "benchmarks/readme.py", re.sub(r"\{\w+\}", "8000", benchmark.line(command))


def problem(words):
    """Return what the command line would not take of a command, without running it; "" where it takes everything."""
    command, names = GROUP, list(words)
    while hasattr(command, "commands"):
        name = names.pop(0) if names else ""
        if name.startswith("-") and any(name in each.opts for each in command.params) and not names:
            return ""
        if name not in command.commands:
            return f"no such command: {name}"
        command = command.commands[name]
    if names == ["--help"]:
        return ""
    try:
        command.make_context(name, names, parent=typer.Context(GROUP), token_normalize_func=None)
    except typer.BadParameter.__bases__[0] as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize(("where", "command"), sorted(set(shown())))
def test_a_shown_command_parses(where, command):
    for each in re.split(r" && | \| ", command):
        program, *words = shlex.split(each)
        if program == "mstool":
            assert problem(words) == ""


@pytest.mark.parametrize(
    "words", ["shwo data", "convert --envs PickCube-v1", "show data --out x", "stats", "finetune data --steps many"]
)
def test_what_does_not_parse_is_seen(words):
    assert problem(words.split())


def test_every_command_of_the_readme_is_run():
    assert benchmark.problems((ROOT / "README.md").read_text(encoding="utf-8")) == []


TEXT = """`a` and `make
it`, `--x`, `lerobot-eval`, again `make it`

```
mstool b  # c

d
```

```python
import e

e.f()
```
"""


def test_what_counts_as_a_command():
    assert benchmark.commands(TEXT) == ["mstool b", "d", "import e\n\ne.f()", "make it", "--x", "lerobot-eval"]


def test_a_command_that_only_one_of_the_two_has_is_named():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (new,) = benchmark.problems(readme + "`mstool convert --env New-v1`")
    assert new == "README.md has a command that COMMANDS does not know: mstool convert --env New-v1"
    (gone,) = benchmark.problems(readme.replace("`mstool layouts`", ""))
    assert gone == "COMMANDS has a command that README.md does not: mstool layouts"
