"""Words of strangers reach the terminal as text."""

from mstool.cli.output import out, say


def test_control_characters_are_shown(capsys):
    for tell in (out, say):
        tell("pick \x1b[2J\x9b31m\r\u202e\ud800 up\n\tthe cube \N{ROBOT FACE}")
    told = capsys.readouterr()
    for text in (told.out, told.err):
        assert text == "pick \\x1b[2J\\x9b31m\\x0d\\x202e\\ud800 up\n\tthe cube \N{ROBOT FACE}\n"
