"""What is told of a broken dataset: the cause, in the words of whoever can mend it, and the fix that mends it."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.edited import BASE, DATA, EPISODES, GOLDEN, edit_episodes, edit_info, truncate

from mstool.errors import DataError
from mstool.norm_stats.compute import compute
from mstool.validators import validate

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:5738e85e20d7\nsize 24944\n"
LOGIN = "\n<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
TASKS = "meta/tasks.parquet"


@pytest.fixture
def root(tmp_path):
    return shutil.copytree(GOLDEN / "libero", tmp_path / "dataset")


def failed(root, *select):
    """Return {code: (all messages, fix)} of what fails or warns."""
    report = validate(root, "maniskill", select=select)
    assert not report.codes("error"), [r.reason for r in report.with_status("error")]
    return {r.code: (" | ".join(i.message for i in r.issues), r.fix) for r in report.with_status("failed", "warned")}


@pytest.mark.parametrize(
    ("file", "code"),
    [(EPISODES, "MS110"), (TASKS, "MS113"), (DATA, "MS105"), (BASE, "MS105"), ("meta/info.json", "MS101")],
)
@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        (LFS, "a Git LFS pointer", "cd {root} && git lfs pull"),
        (LOGIN, "a web page", "download the file again, signed in"),
    ],
    ids=["pointer", "page"],
)
def test_a_file_that_was_not_downloaded(root, file, code, text, what, fix):
    (root / file).write_text(text)
    message, advice = failed(root, "MS1")[code]
    assert what in message
    assert advice.startswith(fix.format(root=root))


def test_statistics_of_rows_that_were_not_downloaded(root):
    (root / DATA).write_text(LFS)
    with pytest.raises(DataError, match="a Git LFS pointer") as caught:
        compute([root])
    assert caught.value.fix == f"cd {root} && git lfs pull"


@pytest.mark.parametrize(("file", "code"), [(EPISODES, "MS110"), (DATA, "MS106")])
def test_a_file_that_its_writer_did_not_close(root, file, code):
    truncate(root / file)
    message, fix = failed(root, "MS1")[code]
    assert "its writer was not closed" in message
    assert "finalize()" in fix


def test_an_episode_table_that_was_never_written(root):
    shutil.rmtree(root / "meta/episodes")
    message, fix = failed(root, "MS1")["MS110"]
    assert message == "meta/episodes holds no parquet file"
    assert "finalize()" in fix


def split_data(root):
    """Put the last episode's rows into a file of their own; the table goes on naming the first."""
    table = pq.read_table(root / DATA)
    last = pa.compute.max(table["episode_index"]).as_py()
    mine = pa.compute.equal(table["episode_index"], last)
    pq.write_table(table.filter(pa.compute.invert(mine)), root / DATA)
    pq.write_table(table.filter(mine), root / DATA.replace("file-000", "file-001"))
    return last


def test_an_episode_whose_rows_are_in_another_file(root):
    split_data(root)
    found = failed(root, "MS1")
    assert set(found) == {"MS110"}, "the total is right, and every row is there"
    report = validate(root, "maniskill", select=["MS110"])
    [issue] = report.results[0].issues
    assert (issue.observed, issue.expected) == (DATA, DATA.replace("file-000", "file-001"))
    assert "data/file_index" in report.results[0].fix


def test_a_total_that_no_count_agrees_with_is_wrong_beside_it(root):
    split_data(root)
    edit_info(root, lambda info: info.update(total_frames=info["total_frames"] - 1))
    assert set(failed(root, "MS1")) == {"MS108", "MS110"}


def test_rows_of_a_file_that_no_episode_has(root):
    last = split_data(root)
    edit_episodes(root, lambda rows: rows[:-1])
    frames = pq.read_metadata(root / DATA).num_rows
    edit_info(root, lambda info: info.update(total_episodes=last, total_frames=frames, splits={"train": f"0:{last}"}))
    message, _ = failed(root, "MS110")["MS110"]
    assert "names no episode for a data file" in message


def test_a_folder_of_another_name_is_named(root):
    (root / "videos").rename(root / "video")
    result = validate(root, "maniskill", select=["MS105"]).results[0]
    assert result.issues[0].observed == f"there is {BASE.replace('videos', 'video', 1)}"
    assert result.fix.startswith("name the folder as info.json does")


def test_a_file_that_is_nowhere_is_not_said_to_be_elsewhere(root):
    (root / BASE).unlink()
    result = validate(root, "maniskill", select=["MS105"]).results[0]
    assert [issue.observed for issue in result.issues] == [None]
    assert result.fix == "download the dataset or convert the demos again"
