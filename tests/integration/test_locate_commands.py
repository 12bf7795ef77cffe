"""`--format both` writes two datasets below one folder: every command that is given the folder says which to give."""

import shlex
from pathlib import Path

import pytest

COMMANDS = {
    "show {}": "v3.0",
    "stats {}": "v3.0",
    "stats {}/v2.1 {}/ --output assets": "v3.0",
    "validate {} --against lerobot_pi05": "v3.0",
    "finetune {} --policy act --dry-run": "v3.0",
    "finetune {} --policy pi05 --engine openpi": "v2.1",
    "push {} --repo-id me/pick --dry-run": "v3.0",
    "merge {} {}/v3.0 --output merged": "v3.0",
    "export {} --format v2.1 --output old": "v3.0",
    "eval --policy random --dataset={}": "v3.0",
    "eval --policy replay:{} -n 1": "v3.0",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_both_formats(pickcube, mstool, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    Path("my data").symlink_to(pickcube)
    words = [word.format(*["my data"] * word.count("{}")) for word in command.split()]
    assert mstool(*words) == 2
    err = capsys.readouterr().err
    assert "error: my data is not a dataset, it holds 2: " in err
    assert "v3.0 (for LeRobot)" in err
    assert "v2.1 (for openpi)" in err
    given = [
        f"{word.rstrip('/')}/{COMMANDS[command]}" if word.rstrip("/").endswith("my data") else word for word in words
    ]
    assert f"fix: {shlex.join(['mstool', *given])}\n" in err
    assert list(tmp_path.iterdir()) == [tmp_path / "my data"], "nothing was written"


def test_the_fix_is_a_command_that_works(pickcube, mstool, monkeypatch, capsys):
    monkeypatch.chdir(pickcube)
    assert mstool("show", ".", "--json") == 2
    fix = capsys.readouterr().err.partition("fix: ")[2]
    assert fix == "mstool show v3.0 --json\n"
    assert mstool(*shlex.split(fix)[1:]) == 0
