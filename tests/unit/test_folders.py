"""Folders that are replaced, and those that one run at a time works in."""

import pytest

from mstool import folders
from mstool.dataset.target import check_target
from mstool.errors import UsageError
from mstool.folders import (
    alone,
    check_no_training,
    check_nothing_else,
    check_spared,
    replace_folder,
    training_alone,
)
from mstool.improvement import prepare as improvement
from mstool.improvement.options import ImproveOptions
from mstool.training import prepare as training
from mstool.training.options import FinetuneOptions


def test_what_is_read_does_not_lie_in_what_is_replaced(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints" / "1").mkdir(parents=True)
    check_spared(tmp_path / "other", "--output", {"the policy": run, "the dataset": None})
    for output in (run, tmp_path, run / "checkpoints" / ".."):
        with pytest.raises(UsageError, match=r"--output .* holds the policy that is read"):
            check_spared(output, "--output", {"the policy": run / "checkpoints" / "1"})


def folder(path, *names):
    path.mkdir(parents=True)
    for name in names:
        (path / name).write_text(name)
    return path


def test_what_else_lies_in_a_folder_that_is_replaced(tmp_path):
    run = folder(tmp_path / "run", "log", ".gitattributes")
    check_nothing_else(run, "a run", {"log"})
    for name in ("notes.txt", ".git", "b", "c"):
        (run / name).mkdir()
    with pytest.raises(UsageError, match=r"run holds \.git, b, c and 1 more, no part of a run: ") as error:
        check_nothing_else(run, "a run", {"log"})
    assert "another --output" in error.value.fix


def test_a_dataset_with_something_else_in_its_folder_is_not_replaced(tmp_path):
    root = folder(tmp_path / "data", "README.md", "norm_stats.json")
    for name in ("meta", "data", "videos", ".cache"):
        (root / name).mkdir()
    (root / "meta" / "info.json").write_text("{}")
    check_target(root, overwrite=True)
    (root / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"data holds thesis.tex, no part of a dataset"):
        check_target(root, overwrite=True)


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    new, there = folder(tmp_path / "work", "new"), tmp_path / "data"
    replace_folder(new, there)
    assert [path.name for path in there.iterdir()] == ["new"]
    newer = folder(tmp_path / "work", "newer")
    rename = folders.Path.rename

    def interrupted(path, target):
        if path == newer:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(folders.Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            replace_folder(newer, there)
    assert [path.name for path in there.iterdir()] == ["new"]
    replace_folder(newer, there)
    assert [path.name for path in there.iterdir()] == ["newer"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_old_one_of_a_run_that_was_killed_stays_until_a_new_one_stands(tmp_path):
    folder(tmp_path / ".data.old", "old")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "nothing", tmp_path / "data")
    # What the killed run had moved away is the dataset; it is put back.
    assert (tmp_path / "data" / "old").is_file()


def test_one_at_a_time(tmp_path):
    def work():
        with alone(tmp_path / "lock", "another is at work"):
            return "done"

    with alone(tmp_path / "lock", "another is at work"), pytest.raises(UsageError, match="another is at work"):
        work()
    assert work() == "done"


def test_one_run_trains_in_a_folder_and_its_lock_lies_beside_it(tmp_path):
    output = tmp_path / "runs" / "x"
    check_no_training(output)
    assert not output.parent.exists()
    with training_alone(output):
        assert not output.exists()
        for work in (lambda: check_no_training(output), training_alone(output).__enter__):
            with pytest.raises(UsageError, match=f"another run trains in {output}"):
                work()
        assert (output.parent / ".x.lock").is_file()
    assert not list(output.parent.iterdir())
    check_no_training(output)


@pytest.mark.parametrize("more", [{}, {"resume": True}, {"overwrite": True}])
def test_a_second_run_is_refused_before_anything_is_loaded_or_removed(tmp_path, more):
    output = tmp_path / "x"
    folder(output, "train_log.jsonl")
    finetune = FinetuneOptions(dataset=tmp_path, policy="flow", output=output, **more)
    improve = ImproveOptions("runs/y", output=output, **more)
    with training_alone(output):
        with pytest.raises(UsageError, match="another run trains in"):
            training.check_output(finetune)
        with pytest.raises(UsageError, match="another run trains in"):
            improvement._check_output(improve, output)
    assert (output / "train_log.jsonl").exists()
