"""One word for one thing over the whole command line."""

import re
from pathlib import Path

import pytest
import typer

import mstool as package
from mstool.cli.main import app


def commands(group=None, path=()):
    """Yield (words, command) for every command, sub-commands included."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(("words", "command"), list(commands()), ids=lambda x: " ".join(x) if type(x) is tuple else "")
def test_every_command_writes_to_output(words, command):
    names = {name: p for p in command.params for name in p.opts}
    assert not {"--root", "--out", "--out-dir", "--output-dir"} & set(names)
    assert ("--output" in names) == ("-o" in names), "-o is short for --output, everywhere"
    if "--output" in names:
        assert names["--output"] is names["-o"]
    if "--workers" in names:
        assert "simulate" in names["--workers"].help


def test_no_text_of_ours_says_an_old_word():
    old = re.compile(r"--(root|out)(?![\w-])")
    sources = [*Path(package.__file__).parent.rglob("*.py"), *(Path(__file__).parents[2] / name for name in DOCUMENTS)]
    assert [str(path) for path in sources if old.search(path.read_text())] == []


DOCUMENTS = ("README.md", "CONTRIBUTING.md", "Makefile")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "{here}", "--out", "{here}/x"), "--out is called --output"),
        (("merge", "{here}", "{here}", "--root={here}/x"), "--root is called --output"),
        (("demos", "generate", "-e", "NoSuch-v1", "--out", "{here}/x"), "--out is called --output"),
        (("finetune", "{here}", "--workers", "2"), "--workers is called --num-workers"),
    ],
)
def test_the_words_of_before_still_work_and_say_once_that_they_go(mstool, tmp_path, capsys, words, said):
    assert mstool(*(word.format(here=tmp_path) for word in words)) in {1, 2}
    err = capsys.readouterr().err
    assert err.count(said) == 1
    assert "No such option" not in err


def test_the_new_words_are_not_commented_on(mstool, tmp_path, capsys):
    mstool("merge", tmp_path, tmp_path, "--output", tmp_path / "x")
    assert "is called" not in capsys.readouterr().err
