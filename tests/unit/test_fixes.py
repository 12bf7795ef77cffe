"""A fix that begins with a command is that command alone: it is pasted into a shell as it is."""

import ast
import re
from pathlib import Path

import pytest
import typer

from mstool.cli.app import app

PACKAGE = Path(__file__).parents[2] / "mstool"
COMMANDS = typer.main.get_command(app).commands
# What returns a whole command.
WHOLE = re.compile(r"command\(|\.again\(\)|^shlex\.join\(")


def texts(node):
    """Return every text that an expression may be, as far as its source says; what is filled in is `FILLED`."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return [*texts(node.body), *texts(node.orelse)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(part for each in node.values for part in texts(each))]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [left + right for left in texts(node.left) for right in texts(node.right)]
    words = ast.unparse(node.value if isinstance(node, ast.FormattedValue) else node)
    return ["mstool" if WHOLE.search(words) else "FILLED"]


def fixes():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "fix":
                for text in texts(node.value):
                    yield f"{path.relative_to(PACKAGE)}:{node.value.lineno}", text


def not_of_the_command(fix):
    """Return the words of a fix that begins with a command which a shell would not take as a part of it."""
    first, *words = fix.partition("  #")[0].split() or [""]
    if first != "mstool":
        return ["; mstool"] if re.search(r"[;,] mstool", fix) else []
    commands = COMMANDS
    while words and words[0] in commands:
        commands = getattr(commands[words.pop(0)], "commands", {})
    of_option = ["", *words]
    return [
        word
        for before, word in zip(of_option, words, strict=False)
        if word[-1] in ",;:" or not (before.startswith("--") or re.match(r"-|FILLED|[A-Z/]+$|runs/", word))
    ]


def test_every_fix_that_is_a_command_can_be_pasted():
    seen = dict.fromkeys(fixes())
    assert sum(text.startswith("mstool ") for _, text in seen) > 50
    assert {where: text for where, text in seen if not_of_the_command(text)} == {}


@pytest.mark.parametrize(
    "fix",
    [
        "mstool finetune FILLED --resume goes on",
        "mstool finetune DATASET; --overwrite removes it",
        "mstool describe FILLED --from ORIGINAL, --layout LAYOUT",
        "mstool envs lists them",
        "mstool serve RUN (or another)",
        "leave it out, mstool show DATASET",
    ],
)
def test_words_after_a_command_are_seen(fix):
    assert not_of_the_command(fix)
