import hashlib

import pytest

from mstool.hub.sinks import HashSink, PartSink


def test_a_part_goes_on_and_its_hash_is_of_all_of_it(tmp_path):
    moved = []
    (tmp_path / "x.part").write_bytes(b"one ")
    with PartSink(tmp_path / "x.part", moved.append) as sink:
        assert sink.size == 4
        sink.write(b"two")
        assert (tmp_path / "x.part").read_bytes() == b"one two", "on disk before it is closed"
    assert sink.digest.hexdigest() == hashlib.sha256(b"one two").hexdigest()
    assert moved == [4, 3]


def make(kind, path, moved):
    return PartSink(path / "x.part", moved.append) if kind == "part" else HashSink(moved.append)


@pytest.mark.parametrize("kind", ["part", "hash"])
def test_a_restart_forgets_everything(tmp_path, kind):
    moved = []
    sink = make(kind, tmp_path, moved)
    sink.write(b"wrong")
    sink.restart()
    assert sink.size == sum(moved) == 0
    sink.write(b"right!")
    assert (sink.size, sink.digest.hexdigest()) == (6, hashlib.sha256(b"right!").hexdigest())
    if kind == "part":
        assert (tmp_path / "x.part").read_bytes() == b"right!"
