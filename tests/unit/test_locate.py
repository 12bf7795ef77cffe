"""Which dataset a path means."""

import pytest

from mstool.dataset.locate import datasets_below, locate
from mstool.errors import UsageError, WrongWordError


def make(folder):
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text("{}")
    (folder / "data").mkdir()
    return folder


def test_a_dataset_is_returned_as_it_was_given(tmp_path, monkeypatch):
    root = make(tmp_path / "data" / "pick")
    assert locate(root) == root
    monkeypatch.chdir(tmp_path)
    assert str(locate(root.relative_to(tmp_path))) == "data/pick"


def test_one_dataset_per_format_names_both_and_first_the_one_that_the_command_reads(tmp_path):
    for name in ("v2.1", "v3.0"):
        make(tmp_path / "both" / name)
    with pytest.raises(WrongWordError) as caught:
        locate(tmp_path / "both")
    assert caught.value.message.endswith("both is not a dataset, it holds 2: v3.0 (for LeRobot), v2.1 (for openpi)")
    assert caught.value.instead == tmp_path / "both" / "v3.0"
    with pytest.raises(WrongWordError) as caught:
        locate(tmp_path / "both", prefer="v2.1")
    assert caught.value.instead == tmp_path / "both" / "v2.1"


def test_datasets_per_task_and_per_task_and_format(tmp_path):
    make(tmp_path / "PushCube-v1")
    for name in ("v2.1", "v3.0"):
        make(tmp_path / "PickCube-v1" / name)
    make(tmp_path / ".PickCube-v1.work" / "x")
    names = ["PickCube-v1/v2.1", "PickCube-v1/v3.0", "PushCube-v1"]
    assert [str(path.relative_to(tmp_path)) for path in datasets_below(tmp_path)] == names
    with pytest.raises(WrongWordError, match="it holds 3"):
        locate(tmp_path)


def test_a_part_of_a_dataset_names_the_whole(tmp_path, monkeypatch):
    root = make(tmp_path / "data" / "pick")
    for part in ("meta", "data", "meta/info.json"):
        with pytest.raises(WrongWordError, match="is a part of the dataset") as caught:
            locate(root / part)
        assert caught.value.instead == root
    with pytest.raises(WrongWordError, match="it holds 1: pick"):
        locate(root / "..")
    monkeypatch.chdir(root.parent)
    with pytest.raises(WrongWordError) as caught:
        locate((root / "meta").relative_to(root.parent))
    assert str(caught.value.instead) == "pick"


def test_nothing_a_file_and_another_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    for name, said in (("no", "does not exist"), ("notes.txt", "is a file"), ("empty", "is not a LeRobot dataset")):
        with pytest.raises(UsageError, match=said) as caught:
            locate(tmp_path / name)
        assert caught.value.fix


def test_what_is_nowhere_is_to_be_made_and_beside_others_to_be_looked_for(tmp_path):
    with pytest.raises(UsageError) as caught:
        locate(tmp_path / "data" / "pick")
    assert caught.value.fix == f"mstool convert --env PickCube-v1 --output {tmp_path}/data/pick"
    for name in ("stack", "lift peg"):
        make(tmp_path / "data" / name)
    with pytest.raises(UsageError, match=r"does not exist; beside it there are: lift peg, stack$") as caught:
        locate(tmp_path / "data" / "push")
    assert caught.value.fix == f"find {tmp_path}/data -path '*/meta/info.json'"
    with pytest.raises(WrongWordError, match=r"did you mean .*stack"):
        locate(tmp_path / "data" / "stakc")
