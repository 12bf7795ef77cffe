"""Words of strangers reach the terminal as text."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mstool.cli.output import out, print_json, say


def test_control_characters_are_shown(capsys):
    for tell in (out, say):
        tell("pick \x1b[2J\x9b31m\r\u202e\ud800 up\n\tthe cube \N{ROBOT FACE}")
    told = capsys.readouterr()
    for text in (told.out, told.err):
        assert text == "pick \\x1b[2J\\x9b31m\\x0d\\x202e\\ud800 up\n\tthe cube \N{ROBOT FACE}\n"


def test_json_stays_json(capsys):
    data = {"task": "pick \x1b[2J\x7f\x9b31m\u202e up\n\tthe cube \N{ROBOT FACE}"}
    print_json(data)
    told = capsys.readouterr().out
    assert json.loads(told) == data
    assert not {"\x1b", "\x7f", "\x9b", "\u202e"} & set(told)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="it stands for a full disk")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("asked", [["layouts", "--json"], ["--version"]])
def test_an_error_is_told_where_stdout_takes_no_more(asked, unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("wb") as full:
        words = [sys.executable, "-m", "mstool.cli", *asked]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the disk is full\nfix: ")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
