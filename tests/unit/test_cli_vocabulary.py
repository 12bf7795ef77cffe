"""One word for one thing, and one way to say it, over the whole command line."""

import json
import re
from pathlib import Path

import pytest
import typer

import mstool as package
from mstool.cli.app import app


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
    """LeRobot's own commands have a `--root`."""
    old = re.compile(r"^(?!.*lerobot-).*--(root|out)(?![\w-])", re.MULTILINE)
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


@pytest.mark.parametrize(("words", "command"), list(commands()), ids=lambda x: " ".join(x) if type(x) is tuple else "")
def test_the_list_of_commands_says_one_sentence_of_each(words, command):
    short = command.get_short_help_str(limit=1000)
    assert short.endswith(".")
    assert ". " not in short
    assert "Examples" in command.help or words == ("demos", "list")


@pytest.mark.parametrize(
    ("words", "said", "fix"),
    [
        (["shwo"], "no such command 'shwo'. Did you mean 'show'?", "mstool --help"),
        (["demos", "genrate"], "no such command 'genrate'. Did you mean 'generate'?", "mstool demos --help"),
        (["show"], "missing argument 'dataset'", "mstool show --help"),
        (["demos", "generate"], "missing option '--env' / '-e'", "mstool demos generate --help"),
        (["demos", "generate", "--correct", "-n1"], "", "mstool demos generate --correct -n1 --policy runs/NAME"),
        (["demos", "generate", "--correct", "-eA"], "--correct: for policies", "mstool demos generate -eA"),
        (["eval", "-n", "0"], "invalid value for '--episodes' / '-n'", "mstool eval"),
        (["demos", "generate", "--seed=x", "-e", "A"], "invalid value for '--seed'", "mstool demos generate -e A"),
        (["convert", "--workers", "x"], "'x' is not a number of processes", "mstool convert"),
        (["--nope"], "no such option: --nope", "mstool --help"),
    ],
)
def test_what_typer_does_not_understand_is_said_like_every_other_error(mstool, capsys, words, said, fix):
    assert mstool(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert said in err
    assert err.endswith(f"fix: {fix}\n")
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("words", [[], ["demos"]])
def test_a_group_without_a_command_shows_its_help(mstool, capsys, words):
    assert mstool(*words) == 2
    out, err = capsys.readouterr()
    assert "Commands" in out
    assert err.strip() == ""


def test_one_layout_alone(mstool, capsys):
    assert mstool("layouts", "libero", "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "libero"
    assert mstool("layouts", "libero") == 0
    assert "droid:" not in capsys.readouterr().out
    assert mstool("layouts", "liberoo") == 2
    assert "did you mean 'libero'?" in capsys.readouterr().err


def test_an_error_is_json_too(mstool, capsys, tmp_path):
    for words, code in ((["layouts", "liberoo"], 2), (["stats", tmp_path], 2), (["show", "--nope"], 2)):
        assert mstool(*words, "--json") == code
        out, err = capsys.readouterr()
        told = json.loads(out)
        assert list(told) == ["error", "fix", "exit_code"]
        assert err == f"error: {told['error']}\nfix: {told['fix']}\n"
        assert told["exit_code"] == code


def test_help_says_what_libero_is_given_as():
    known = {" ".join(words): command for words, command in commands()}
    for words in ("convert", "demos generate"):
        (env,) = [each for each in known[words].params if "--env" in each.opts]
        assert "libero_spatial/2" in env.help
        assert "ManiSkill environment" not in env.help
        assert "--env libero_spatial" in known[words].help
    (demos,) = [each for each in known["convert"].params if "--demos" in each.opts]
    assert "_demo.hdf5" in demos.help
