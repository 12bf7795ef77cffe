"""Folders that are replaced, and those that one run at a time works in."""

import errno
import shutil
from pathlib import PurePath

import pytest

from mstool import folders
from mstool.dataset.target import check_target, locked, work_folder
from mstool.errors import UsageError
from mstool.folders import (
    alone,
    beside,
    check_no_training,
    check_nothing_else,
    check_spared,
    in_turn,
    made,
    replace_folder,
    training_alone,
)
from mstool.improvement import prepare as improvement
from mstool.improvement.options import ImproveOptions
from mstool.training import prepare as training
from mstool.training.options import FinetuneOptions
from mstool.training.publish import export_policy
from mstool.training.run_folder import is_own


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
    def is_log(path):
        return path.parts[0] == "log"

    run = folder(tmp_path / "run", "log", ".gitattributes")
    check_nothing_else(run, "a run", is_log)
    (run / "link").symlink_to(tmp_path)
    for name in ("b/notes.txt", ".git/HEAD", ".git/objects/12", ".cache/x", "c"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("")
    with pytest.raises(UsageError, match=r"run holds \.git, b/notes.txt, c and 1 more, no part of a run: ") as error:
        check_nothing_else(run, "a run", is_log)
    assert "another --output" in error.value.fix
    assert error.value.change == {"--output": tmp_path / "run-2"}


def test_a_dataset_with_something_else_in_its_folder_is_not_replaced(tmp_path):
    root = folder(tmp_path / "data", "norm_stats.json")
    own = (
        *(
            "meta/info.json",
            "meta/tasks.parquet",
            "meta/episodes/chunk-000/file-001.parquet",
            "meta/mstool/record.json",
        ),
        *("data/chunk-000/file-000.parquet", "videos/observation.images.image/chunk-000/file-000.mp4"),
        *("data/chunk-000/episode_000012.parquet", "videos/chunk-000/image/episode_000000.mp4", "meta/episodes.jsonl"),
        *("images/image/episode_000000/frame_000000.png", "images/image/episode-000000/frame-000000.png"),
    )
    for name in (*own, ".cache/huggingface/x.lock"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")
    check_target(root, overwrite=True)
    for name in (
        "thesis.tex",
        "data/mine/x",
        "data/chunk-000/notes.txt",
        "meta/my.txt",
        "videos/a.txt",
        "README.md",
        "meta/my_labels.json",
        "meta/mstool/my.jsonl",
        "images/me.png",
        "videos/holiday.mp4",
        "videos/trip/a.mp4",
        "data/labels.parquet",
        "data/chunk-000/my_table.parquet",
        "meta2/a.json",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
        with pytest.raises(UsageError, match=rf"data holds {name}, no part of a dataset"):
            check_target(root, overwrite=True)
        (root / name).unlink()
    both = tmp_path / "both"
    (both / "v2.1").parent.mkdir()
    shutil.copytree(root, both / "v2.1")
    check_target(both, overwrite=True)
    (both / "v2.1" / "x").write_text("")
    with pytest.raises(UsageError, match=r"both holds v2.1/x"):
        check_target(both, overwrite=True)


def test_nothing_is_written_into_a_dataset(tmp_path):
    root = folder(tmp_path / "data")
    folder(root / "meta", "info.json")
    inside = root / "x" / "y"
    finetune = FinetuneOptions(dataset=root, policy="flow", output=inside)
    for write, purpose in (
        (lambda: check_target(inside, overwrite=True), "new"),
        (lambda: training.check_output(finetune), "run"),
        (lambda: improvement._check_output(ImproveOptions("runs/y", output=inside), inside), "run"),
        (lambda: export_policy(root, inside, results=None, overwrite=True), "policy"),
    ):
        with pytest.raises(UsageError, match=r"--output .* lies in the LeRobot dataset .*data") as told:
            write()
        assert told.value.change == {"--output": tmp_path / f"data-{purpose}"}
    assert not inside.parent.exists()


def test_what_is_of_a_run_and_what_lies_beside():
    own = (
        "train_log.jsonl",
        "eval/000008/results.json",
        "checkpoints/000008/pretrained_model/notes",
        "checkpoints/last",
    )
    others = ("notes.txt", "checkpoints/n.txt", "checkpoints/mine/n.txt", "checkpoints", "checkpoints/last/x")
    assert [is_own(PurePath(path)) for path in (*own, *others)] == [True] * len(own) + [False] * len(others)


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


def fails(path, *names):
    for name in names:
        (path / name).touch()
    (path / "missing").read_text()


def test_a_folder_made_for_work_that_fails_is_not_left_empty(tmp_path):
    (tmp_path / "there").mkdir()
    for path, names in (("there", ()), ("a/b/c", ()), ("there/kept", ("x",))):
        with pytest.raises(FileNotFoundError), made(tmp_path / path):
            fails(tmp_path / path, *names)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "there", "there/kept", "there/kept/x",
    ]  # fmt: skip


def test_a_dataset_that_fails_leaves_no_folder_of_those_that_it_would_lie_in(tmp_path):
    root = tmp_path / "a" / "b" / "data"
    work = work_folder(root)
    for names in ((), ("done",)):
        with pytest.raises(FileNotFoundError), locked(work, kept="done"):
            fails(work, *names)
        assert (tmp_path / "a").exists() == bool(names)


def test_one_at_a_time(tmp_path):
    def work():
        with alone(tmp_path / "lock", "another is at work"):
            return "done"

    with alone(tmp_path / "lock", "another is at work"), pytest.raises(UsageError, match="another is at work"):
        work()
    assert work() == "done"


def test_a_lock_that_its_holder_removed_meanwhile_is_none(tmp_path, monkeypatch):
    """Two that opened it before it was removed do not both hold one, be it another file."""
    lock, flock = tmp_path / "lock", folders.fcntl.flock
    removed = []

    def late(file, how):
        flock(file, how)
        if not removed:
            removed.append(lock.unlink())

    monkeypatch.setattr(folders.fcntl, "flock", late)
    with alone(lock, "another is at work"):
        assert lock.is_file()
        with (
            pytest.raises(UsageError, match="another is at work: wait for it to end"),
            alone(lock, "another is at work"),
        ):
            pass
    assert removed


def test_where_a_file_system_has_no_locks_nobody_is_refused(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folders.fcntl, "flock", none)
    with alone(tmp_path / "lock", "another is at work"), in_turn(tmp_path / "lock", pytest.fail):
        pass


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


def test_a_link_to_a_folder_stays_and_leads_to_what_replaces_it(tmp_path):
    folder(tmp_path / "disk" / "data", "old.txt")
    (tmp_path / "data").symlink_to("disk/data")
    for number in range(2):
        built = folder(beside(tmp_path / "data", "work"), f"{number}.txt")
        assert built.parent == tmp_path / "disk"
        replace_folder(built, tmp_path / "data")
        assert (tmp_path / "data").is_symlink()
        assert [path.name for path in (tmp_path / "disk" / "data").iterdir()] == [f"{number}.txt"]
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["data"]
