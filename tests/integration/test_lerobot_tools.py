"""LeRobot's own tools on what `convert` wrote; LeRobot's reader judges what they wrote."""

import json

import av
import numpy as np
import pytest
from support.converted import copied
from support.lerobot_tools import convert_v21, edit
from support.proofs import some

from mstool.maniskill2lerobot.pictures.profiles import PROFILES
from mstool.maniskill2lerobot.pictures.video import psnr_db
from mstool.maniskill2lerobot.rewrite.merge_export import export

VIEWS = ("observation.images.image", "observation.images.image2")
# What encoding once more, as we do, leaves of a stored picture.
AGAIN_DB = 34


def merge(out, *sources):
    names, roots = [f"t/{k}" for k in range(len(sources))], [str(source) for source in sources]
    return edit("merge", f"repo_ids={names}", f"roots={roots}", out=out)


def episodes(root, views=VIEWS):
    """Task, actions and some pictures, the first and the last among them, of every episode as LeRobot reads them."""
    from lerobot.datasets import LeRobotDataset

    data = LeRobotDataset("t/read", root=root, video_backend="pyav")
    found = []
    for number in range(data.num_episodes):
        row = data.meta.episodes[number]
        begin, end = row["dataset_from_index"], row["dataset_to_index"]
        items = [data[k] for k in (begin, begin + 1, (begin + end) // 2, end - 2, end - 1)]
        assert {int(item["episode_index"]) for item in items} == {number}
        actions = np.stack(data.hf_dataset["action" if "action" in data.features else "actions"][begin:end])
        pictures = {
            view: [(item[view].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8) for item in items]
            for view in views
        }
        found.append({"task": items[0]["task"], "actions": actions, "pictures": pictures})
    return found


def same(found, expected, *, at_least_db=None, names=None):
    """Equal episodes; pictures equal or, encoded again, at least `at_least_db` alike."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["task"] == theirs["task"]
        np.testing.assert_array_equal(ours["actions"], theirs["actions"])
        for view, pictures in ours["pictures"].items():
            stored = theirs["pictures"][(names or {}).get(view, view)]
            for picture, picture_then in zip(pictures, stored, strict=True):
                if at_least_db is None:
                    np.testing.assert_array_equal(picture, picture_then)
                else:
                    assert psnr_db(picture_then, picture) > at_least_db


@pytest.fixture(scope="module")
def ours(made):
    return made("pick") / "v3.0"


@pytest.fixture(scope="module")
def stored(ours):
    return episodes(ours)


@pytest.fixture(scope="module")
def images(made):
    return made("pick_images")


@pytest.fixture(scope="module")
def deleted(ours, tmp_path_factory):
    out = tmp_path_factory.mktemp("deleted") / "out"
    return edit("delete_episodes", "episode_indices=[1]", source=ours, out=out)


@pytest.fixture(scope="module")
def portable(ours, tmp_path_factory):
    out = tmp_path_factory.mktemp("portable") / "out"
    export(ours, out, profile="portable")
    return out


@pytest.mark.parametrize("profile", PROFILES)
def test_info_is_what_lerobot_writes(profile, request):
    """LeRobot's own description of the file, with the encoder it builds from ours; that encodes with our options."""
    from lerobot.configs.video import encoder_config_from_video_info
    from lerobot.datasets.video_utils import get_video_info

    ours = request.getfixturevalue("ours" if profile == "exact" else profile)
    features = json.loads((ours / "meta/info.json").read_text())["features"]
    for view in VIEWS:
        (path,) = (ours / "videos" / view).rglob("*.mp4")
        encoder = encoder_config_from_video_info(features[view]["info"])
        assert features[view]["info"] == get_video_info(path, encoder)
        assert encoder.get_codec_options(as_strings=True) == PROFILES[profile].options


def test_delete(deleted, stored):
    same(episodes(deleted), [stored[0], stored[2]], at_least_db=AGAIN_DB)


def test_delete_and_merge_of_portable_videos_keep_their_encoding(portable, tmp_path):
    """LeRobot's merge refuses streams that differ: what it encoded again must be as ours is, colours included."""
    stored = episodes(portable)
    less = edit("delete_episodes", "episode_indices=[1]", source=portable, out=tmp_path / "less")
    same(episodes(less), [stored[0], stored[2]], at_least_db=AGAIN_DB)
    both = merge(tmp_path / "both", portable, less)
    same(episodes(both), [*stored, stored[0], stored[2]], at_least_db=AGAIN_DB)
    said = set()
    for root in (portable, less, both):
        for path in (root / "videos").rglob("*.mp4"):
            with av.open(str(path)) as container:
                codec = container.streams.video[0].codec_context
                said.add((codec.profile, codec.pix_fmt, codec.colorspace, codec.color_range, codec.color_primaries))
    assert said == {("High", "yuv420p", 6, 1, 1)}


# Portable videos are cut, and joined, by the test above.
@pytest.mark.parametrize("profile", some(PROFILES, "exact".__eq__))
def test_split(profile, request, tmp_path):
    source = request.getfixturevalue("ours" if profile == "exact" else profile)
    stored = episodes(source)
    out = edit("split", 'splits={"train": [0, 2], "val": [1]}', source=source, out=tmp_path / "out")
    same(episodes(out / "train"), [stored[0], stored[2]], at_least_db=AGAIN_DB)
    same(episodes(out / "val"), [stored[1]], at_least_db=AGAIN_DB)


@pytest.mark.parametrize("order", some([1, -1], (1).__eq__))
def test_merge_with_what_lerobot_edited(ours, deleted, stored, tmp_path, order):
    merged = merge(tmp_path / "merged", *(ours, deleted)[::order])
    found = episodes(merged)
    mine, theirs = (found[:3], found[3:]) if order == 1 else (found[2:], found[:2])
    same(mine, stored)
    same(theirs, [stored[0], stored[2]], at_least_db=AGAIN_DB)


def test_merge_with_another_task(ours, made, stored, tmp_path):
    other = made("push") / "v3.0"
    same(episodes(merge(tmp_path / "merged", ours, other)), stored + episodes(other))


def test_remove_feature(ours, stored, tmp_path):
    out = edit("remove_feature", f"feature_names=[{VIEWS[1]}]", source=ours, out=tmp_path / "out")
    same(episodes(out, VIEWS[:1]), stored)


def test_modify_tasks(ours, stored, tmp_path):
    root = copied(ours, tmp_path / "in")
    edit("modify_tasks", 'episode_tasks={"1": "another one"}', f"new_task={stored[0]['task']}", source=root)
    found = episodes(root)
    assert found[1]["task"] == "another one"
    same([found[0], found[2]], [stored[0], stored[2]])


def test_reencode_then_export_makes_it_ours_again(ours, stored, tmp_path, mstool, capsys):
    """H.264 with B-frames: LeRobot reads it; `export` encodes it once more, as it can be neither cut nor joined."""
    encoder = [f"rgb_encoder.{word}" for word in ("vcodec=h264", "pix_fmt=yuv444p", "crf=12")]
    edited = edit("reencode_videos", *encoder, source=ours, out=tmp_path / "out")
    same(episodes(edited), stored, at_least_db=AGAIN_DB)
    assert mstool("export", edited, "--format", "v3.0", "--output", tmp_path / "again") == 0
    assert "encoded once more" in capsys.readouterr().out
    same(episodes(tmp_path / "again"), stored, at_least_db=AGAIN_DB - 3)


def test_recompute_stats(ours, stored, tmp_path):
    same(episodes(edit("recompute_stats", source=ours, out=tmp_path / "out")), stored)


def test_images_delete_and_become_videos(images, tmp_path):
    stored = episodes(images)
    same(episodes(edit("delete_episodes", "episode_indices=[0]", source=images, out=tmp_path / "cut")), stored[1:])
    encoder = [f"rgb_encoder.{word}" for word in ("vcodec=h264", "pix_fmt=yuv444p", "crf=12")]
    videos = edit("convert_image_to_video", *encoder, source=images, out=tmp_path / "videos")
    same(episodes(videos), stored, at_least_db=AGAIN_DB)


@pytest.mark.parametrize("storage", ["video", "image"])
def test_lerobots_conversion_of_our_v21(ours, stored, tmp_path, mstool, storage):
    root = tmp_path / "old"
    assert mstool("export", ours, "--format", "v2.1", "--storage", storage, "--output", root) == 0
    convert_v21(root)
    names = dict(zip(("image", "wrist_image"), VIEWS, strict=True))
    same(episodes(root, tuple(names)), stored, names=names)
