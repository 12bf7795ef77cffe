"""JSON of strangers is read within bounds."""

import os

import pytest

from mstool import json_files
from mstool.json_files import load_json, load_json_lines, parse_json


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 65 + b"[1]" + b"}" * 65, "nested"),
        (b'"\\ud800"', "surrogates"),
        (b'{"total_frames": ' + b"9" * 30 + b"}", "64 bits"),
        (b'{"total_frames": ' + b"9" * 5000 + b"}", "64 bits"),
        (b"-9223372036854775809", "64 bits"),
        (b"\xff", "utf-8"),
        (b"", "Expecting value"),
    ],
)
def test_what_is_refused(data, why):
    with pytest.raises(ValueError, match=why):
        parse_json(data)


def test_what_is_read_as_ever():
    assert parse_json(b'{"a": [18446744073709551615, -1, 1e400, "\\ud83e\\udd16"], "a": 0.12345678901234567890}') == {
        "a": 0.12345678901234568
    }
    assert parse_json(b"[" * 60 + b"]" * 60)
    assert parse_json(b'["\\ud83e\\udd16", 18446744073709551615]') == ["\N{ROBOT FACE}", 2**64 - 1]


def test_a_large_file_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    for read in (load_json, load_json_lines):
        with pytest.raises(ValueError, match="larger than"):
            read(path)
    monkeypatch.setattr(json_files, "MOST_CONTAINERS", 100)
    path.write_text("[" + "[]," * 100 + "0]")
    with pytest.raises(ValueError, match="lists and objects"):
        load_json(path)


def test_a_pipe_or_a_device_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(ValueError, match="not a regular file"):
            load_json(tmp_path / name)


def test_lines_keep_their_number(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": "\u2028"}\r\n\n{"b": 1}\n')
    assert load_json_lines(path) == [{"a": "\u2028"}, {"b": 1}]
    path.write_text("{}\n" + "[" * 100_000)
    with pytest.raises(ValueError, match=r"^line 2: nested"):
        load_json_lines(path)
