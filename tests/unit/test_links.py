"""Links in a dataset: what leads out of it is told of and not pushed; a Hugging Face cache is made of links."""

import shutil
from pathlib import Path

import pytest
from support.edited import BASE, GOLDEN

from mstool.dataset.links import links_outside
from mstool.errors import DataError
from mstool.hub.inventory import local_files
from mstool.validators import validate


@pytest.fixture
def root(tmp_path) -> Path:
    return Path(shutil.copytree(GOLDEN / "libero", tmp_path / "data"))


def file_outside(root):
    moved = (root / BASE).rename(root.parent / "elsewhere.mp4")
    (root / BASE).symlink_to(moved)
    return BASE


def file_outside_that_no_table_names(root):
    (root / "meta/notes").symlink_to("/etc/hostname")
    return "meta/notes"


def folder_outside(root):
    (root / "videos").rename(root.parent / "elsewhere")
    (root / "videos").symlink_to("../elsewhere")
    return "videos"


def folder_inside(root):
    (root / "again").symlink_to(root / "meta")
    return "again"


def nowhere(root):
    (root / "again").symlink_to("gone")
    return "again"


def circle(root):
    (root / "again").symlink_to(root.parent / "back")
    (root.parent / "back").symlink_to(root / "again")
    return "again"


@pytest.mark.parametrize(
    "make", [file_outside, file_outside_that_no_table_names, folder_outside, folder_inside, nowhere, circle]
)
def test_what_leads_out_is_told_of_and_not_pushed(root, make):
    link = make(root)
    assert links_outside(root) == [root / link]
    report = validate(root, "lerobot_pi05", select=["MS105"])
    (issue,) = report.results[0].issues
    assert (issue.severity, issue.feature) == ("warning", link)
    assert "a link leads out of the dataset, to a folder or nowhere" in issue.message
    assert f"cp -rL {root} {root}-whole" in report.results[0].fix
    with pytest.raises(DataError, match="what links lead to is not pushed") as error:
        local_files(root)
    assert str(root / link) in error.value.message
    assert f"cp -rL {root} {root}-whole" in error.value.fix


def test_a_file_by_another_name_of_the_same_dataset_is_of_it(root):
    (root / "again.mp4").symlink_to(root / BASE)
    assert links_outside(root) == []
    assert "again.mp4" in local_files(root)


def test_a_snapshot_of_a_hugging_face_cache_is_a_dataset(root, tmp_path):
    cache = tmp_path / "hub" / "datasets--me--cube"
    snapshot = cache / "snapshots" / ("a" * 40)
    (cache / "blobs").mkdir(parents=True)
    before = local_files(root)
    for number, path in enumerate(sorted(before)):
        blob = Path(shutil.copy(root / path, cache / "blobs" / f"{number:040x}"))
        (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / path).symlink_to(Path(*[".."] * (len(Path(path).parts) + 1), "blobs", blob.name))
    assert links_outside(snapshot) == []
    assert {path: file.hash for path, file in local_files(snapshot).items()} == {p: f.hash for p, f in before.items()}
    assert validate(snapshot, "lerobot_pi05").codes("failed", "warned") == set()
    (cache / "blobs" / "more").symlink_to("/etc/hostname")
    (snapshot / "more").symlink_to("../../blobs/more")
    assert links_outside(snapshot) == [snapshot / "more"]
