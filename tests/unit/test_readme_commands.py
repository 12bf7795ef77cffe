"""The commands that the documents and every `--help` show exist, with the options they are shown with."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
from generated_pages import PAGES

from mstool.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = re.compile(r"\.\.\.(?=\s|$)")
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
    """Yield (where, command) for every `mstool ...` that a reader may copy; a command's bare name only names it."""
    named = {name for name, _ in helps()}
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
    texts |= {name: page() for name, page in PAGES.items()}
    for document, text in texts.items():
        for command in [*benchmark.blocks(text), *benchmark.spans(text)]:
            if command.startswith("mstool ") and "[OPTIONS]" not in command and command not in named:
                yield document, re.split(r"\s{2,}\(", PLACEHOLDER.sub("x", command))[0]
    for name, text in helps():
        for line in text.splitlines():
            if line.strip().startswith("mstool "):
                yield name, re.split(r"\s{2,}\(", line.strip())[0]
    for command in benchmark.COMMANDS:
        if benchmark.line(command).startswith("mstool "):
            yield "benchmarks/readme.py", re.sub(r"\{\w+\}", "8000", benchmark.line(command))


def problem(words):
    """Return what the command line would not take of a command, without running it; "" where it takes everything."""
    command, names = GROUP, list(words)
    while hasattr(command, "commands"):
        name = names.pop(0) if names else ""
        if not names and (name == "--help" or any(name in each.opts for each in command.params)):
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


def test_every_command_of_the_pages_is_run():
    assert benchmark.problems(*benchmark.pages()) == []


TEXT = """`a` and `make
it`, `--x`, again `make it`

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
    assert benchmark.blocks(TEXT) == ["mstool b", "d", "import e\n\ne.f()"]
    assert benchmark.spans(TEXT) == ["make it"]


def test_a_command_that_only_one_of_the_two_has_is_named():
    readme, guides = benchmark.pages()
    (new,) = benchmark.problems(readme + "`mstool convert --env New-v1`", guides)
    assert new == "a page has a command that COMMANDS does not know: mstool convert --env New-v1"
    (new,) = benchmark.problems(readme, [*guides, "```\nmstool envs New-v1\n```\n"])
    assert new == "a page has a command that COMMANDS does not know: mstool envs New-v1"
    (gone,) = benchmark.problems(readme.replace("`mstool layouts`", ""), guides)
    assert gone == "COMMANDS has a command that no page has: mstool layouts"
