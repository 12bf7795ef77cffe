"""One reader of a dataset's description, and what it says of one that is damaged."""

import json

import pytest

from mstool.dataset.files import INFO_FILE, Unavailable
from mstool.dataset.info import Feature, read_info, read_info_as_is
from mstool.errors import DataError

SOUND = {
    "codebase_version": "v2.1",
    "fps": 20,
    "total_episodes": 2,
    "total_frames": 30,
    "features": {
        "image": {"dtype": "video", "shape": [48, 64, 3], "names": None, "info": {"video.fps": 20}},
        "state": {"dtype": "float32", "shape": [2], "names": {"motors": ["x", "gripper"]}},
    },
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "meta").mkdir()
    return tmp_path


def write(root, document):
    (root / INFO_FILE).write_text(json.dumps(document))


def test_what_a_sound_one_says(root):
    write(root, SOUND)
    info = read_info(root)
    assert info.is_v2
    assert info.videos == ["image"]
    assert info.features["state"] == Feature("float32", (2,), ("x", "gripper"), {})
    assert info.features["image"].info == {"video.fps": 20}
    assert (info.chunks_size, info.data_path, info.video_path, info.total_tasks) == (1000, "", None, 0)
    assert info.raw == SOUND


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fps": None}, "fps missing or malformed"),
        ({"fps": True, "total_frames": "30"}, "fps, total_frames missing or malformed"),
        ({"features": []}, "features missing or malformed"),
        ({"features": {"state": {"shape": [2]}}}, "feature state missing or malformed"),
        ({"features": {"state": {"dtype": "float32", "shape": None}}}, "feature state missing or malformed"),
        ({"codebase_version": "v1.6", "features": None}, "'v1.6' is none of v2.1, v3.0"),
    ],
)
def test_what_is_wrong_is_named(root, changes, said):
    write(root, SOUND | changes)
    with pytest.raises(DataError) as caught:
        read_info(root)
    assert said in caught.value.message
    assert f"mstool validate {root}" in caught.value.fix
    assert read_info_as_is(root) == SOUND | changes


def test_pictures_of_unknown_size_are_still_pictures(root):
    write(root, SOUND | {"features": {"image": {"dtype": "image", "shape": None}}})
    assert read_info(root).features["image"] == Feature("image", (), (), {})


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": '])
def test_a_file_that_is_not_an_object(root, text):
    (root / INFO_FILE).write_text(text)
    with pytest.raises(DataError, match=r"info\.json"):
        read_info(root)
    with pytest.raises(Unavailable, match=r"meta/info\.json"):
        read_info_as_is(root)
