"""`export` and `merge` of datasets that LeRobot's own writer made; LeRobot's reader judges the results."""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from hub_server.fixtures import hub, hub_environment  # noqa: F401
from support import foreign
from support.converted import command
from support.lerobot_tools import convert_v21, edit
from support.proofs import some

from mstool.dataset.files import SOURCES_FILE
from mstool.dataset.fingerprint import content_hash
from mstool.maniskill2lerobot.rewrite.merge_export import export, merge
from mstool.validators import validate

SPECS = {
    "so101": foreign.SO101,
    "aloha": foreign.ALOHA,
    "images": foreign.IMAGES,
    "rich": foreign.RICH,
    "six": foreign.SIX,
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Each of them as LeRobot writes it, v3.0."""
    base = tmp_path_factory.mktemp("elsewhere")
    return {name: foreign.write(base / name, spec) for name, spec in SPECS.items()}


def items(root):
    """Every frame as LeRobot's reader gives it to a policy."""
    from lerobot.datasets import LeRobotDataset

    data = LeRobotDataset("t/read", root=root, video_backend="pyav")
    return [data[k] for k in range(len(data))]


def same(found, expected, *, but=()):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - set(but):
            np.testing.assert_array_equal(np.asarray(ours[name]), np.asarray(theirs[name]), err_msg=name)


def front(root):
    """Every picture of the front camera as LeRobot's reader gives it, (N, H, W, 3) of 0 to 255."""
    return np.stack([np.asarray(item["observation.images.front"]).transpose(1, 2, 0) * 255 for item in items(root)])


def failed(root):
    return validate(root, "lerobot").codes("failed") - {"MS203"}


def table(root, name):
    return json.loads((root / "meta" / name).read_text())


@pytest.mark.parametrize("name", some(SPECS, {"so101", "images", "rich"}.__contains__))
def test_there_and_back_every_frame_is_the_same(written, tmp_path, name):
    old, new = tmp_path / "old", tmp_path / "new"
    report = export(written[name], old, version="v2.1")
    assert not any("once more" in note for note in report.notes)
    export(old, new, version="v3.0")
    same(items(new), items(written[name]))
    assert not failed(new)
    before, after = table(written[name], "info.json"), table(new, "info.json")
    for key in ("fps", "robot_type", "total_episodes", "total_frames", "total_tasks", "splits"):
        assert after[key] == before[key]
    assert list(after["features"]) == list(before["features"])
    # The statistics of images are theirs, those of numbers are of all rows.
    stored, stats = table(written[name], "stats.json"), table(new, "stats.json")
    rows = pq.read_table(new / "data").to_pandas()
    np.testing.assert_allclose(stats["action"]["q01"], np.quantile(np.stack(rows["action"]), 0.01, axis=0), atol=1e-6)
    for camera in (key for key in stored if "images" in key):
        np.testing.assert_allclose(stats[camera]["mean"], stored[camera]["mean"], atol=1e-6)
    (source,) = table(new, "mstool/sources.json")["sources"]
    assert source["sources"][0]["codebase_version"] == "v3.0"


@pytest.mark.parametrize("name", ["so101", "images"])
def test_lerobot_edits_and_converts_what_comes_out(written, tmp_path, name):
    old, new = tmp_path / "old", tmp_path / "new"
    export(written[name], old, version="v2.1")
    export(old, new, version="v3.0")
    edit("delete_episodes", "episode_indices=[1]", source=new, out=tmp_path / "less")
    expected = [item for item in items(written[name]) if int(item["episode_index"]) != 1]
    kept = items(tmp_path / "less")
    assert len(kept) == len(expected)
    np.testing.assert_array_equal([k["action"] for k in kept], [k["action"] for k in expected])
    convert_v21(old)  # LeRobot's own converter reads our v2.1
    same(items(old), items(written[name]))


def as_v20(root):
    """v2.0 has statistics of the whole only."""
    lines = [json.loads(line) for line in (root / "meta/episodes_stats.jsonl").read_text().splitlines()]
    (root / "meta/episodes_stats.jsonl").unlink()
    (root / "meta/stats.json").write_text(json.dumps({"action": lines[0]["stats"]["action"]}))
    info = table(root, "info.json") | {"codebase_version": "v2.0", "lab": {"name": "a lab", "run": 3}}
    (root / "meta/info.json").write_text(json.dumps(info))
    (root / "meta/modality.json").write_text('{"state": {}}')


@pytest.mark.parametrize("name", ["so101", "images"])
def test_v20_gets_the_statistics_that_it_lacks_and_keeps_what_nobody_knows(written, tmp_path, name):
    old = tmp_path / "old"
    export(written[name], old, version="v2.1")
    as_v20(old)
    report = export(old, tmp_path / "new", version="v3.0")
    assert any("are of every image" in note for note in report.notes)
    same(items(tmp_path / "new"), items(written[name]))
    assert table(tmp_path / "new", "info.json")["lab"] == {"name": "a lab", "run": 3}
    assert (tmp_path / "new/meta/modality.json").read_text() == '{"state": {}}'
    camera = next(key for key in table(written[name], "info.json")["features"] if "images" in key)
    pixels = np.stack([np.asarray(item[camera]) for item in items(tmp_path / "new")])
    stats = table(tmp_path / "new", "stats.json")[camera]
    np.testing.assert_allclose(np.ravel(stats["mean"]), pixels.mean(axis=(0, 2, 3)), atol=1e-5)
    assert not failed(tmp_path / "new")
    export(old, tmp_path / "v21", version="v2.1")
    assert (tmp_path / "v21/meta/episodes_stats.jsonl").read_text().count("\n") == 3


def recode(path: Path, options, *, ticks=None, extra=0):
    """Encode a video again; `ticks` gives the time of frame k in ms."""
    with av.open(str(path)) as source:
        shown = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    from fractions import Fraction

    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=30, options=options)
        stream.height, stream.width, stream.pix_fmt = *shown[0].shape[:2], "yuv420p"
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for k, image in enumerate([*shown, *shown[:extra]]):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = ticks(k) if ticks else round(1000 * k / 30), Fraction(1, 1000)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with av.open(str(path)) as source:
        return [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)][: len(shown)]


B_FRAMES = {"crf": "20", "bf": "3", "g": "250", "b-pyramid": "normal"}


@pytest.mark.parametrize(
    ("ticks", "extra", "note"),
    [
        (None, 0, "shown up to 0.3 ms beside"),
        (lambda k: 100 + 33 * k + (k % 3) * 4, 0, "now at k / fps"),
        (None, 4, "the frames after the last row are left out"),
    ],
    ids=["milliseconds", "uneven and late", "longer than its rows"],
)
def test_b_frames_and_odd_times_come_out_in_order(written, tmp_path, ticks, extra, note):
    """Packets are stored in another order than they are shown in, at times that are not k / fps."""
    old, new, again = tmp_path / "old", tmp_path / "new", tmp_path / "again"
    export(written["so101"], old, version="v2.1")
    expected = []
    for path in sorted((old / "videos").rglob("observation.images.front/*.mp4")):
        expected += recode(path, B_FRAMES, ticks=ticks, extra=extra)
    info = table(old, "info.json")
    info["features"]["observation.images.front"]["info"] |= {"video.codec": "h264", "video.pix_fmt": "yuv420p"}
    (old / "meta/info.json").write_text(json.dumps(info))
    report = export(old, new, version="v3.0")
    assert any(note in each for each in report.notes), report.notes
    np.testing.assert_array_equal(front(new).round(), np.stack(expected))
    # The joined file is cut again, B-frames and all.
    back = export(new, again, version="v2.1")
    assert not any("once more" in each for each in back.notes)
    export(again, tmp_path / "last", version="v3.0")
    same(items(tmp_path / "last"), items(new))


def test_a_video_without_key_frames_where_episodes_begin_is_encoded_once_more(written, tmp_path):
    root = shutil.copytree(written["so101"], tmp_path / "root")
    (path,) = (root / "videos/observation.images.front").rglob("*.mp4")
    expected = np.stack(recode(path, B_FRAMES)).astype(float)
    report = export(root, tmp_path / "old", version="v2.1")
    assert any("front are decoded and encoded once more" in note for note in report.notes), report.notes
    assert any("wrist are copied, packet by packet" in note for note in report.notes), report.notes
    info = table(tmp_path / "old", "info.json")["features"]["observation.images.front"]["info"]
    assert (info["video.codec"], info["video.pix_fmt"]) == ("h264", "yuv444p")
    export(tmp_path / "old", tmp_path / "new", version="v3.0")
    assert np.abs(front(tmp_path / "new") - expected).mean() < 2
    # In v3.0 what cannot be cut stays in one file.
    both = merge([root, shutil.copytree(root, tmp_path / "copy")], tmp_path / "both")
    assert not any("once more" in note for note in both.notes)
    np.testing.assert_array_equal(front(tmp_path / "both").round(), np.concatenate([expected, expected]))


@pytest.mark.parametrize("name", ["so101", "rich"])
def test_merged_frames_are_those_of_the_parts(written, tmp_path, name):
    other = foreign.write(tmp_path / "other", SPECS[name], lengths=(5, 8), tasks=("push it", "turn it"), seed=1)
    export(other, tmp_path / "old", version="v2.1")
    report = merge([written[name], tmp_path / "old"], tmp_path / "both")
    assert set(report.instructions) == {"lift it", "push it", "turn it"}
    found, parts = items(tmp_path / "both"), [*items(written[name]), *items(other)]
    same(found, parts, but=("index", "episode_index", "task_index"))
    assert [int(item["index"]) for item in found] == list(range(len(parts)))
    assert sorted({int(item["episode_index"]) for item in found}) == [0, 1, 2, 3, 4]
    assert not failed(tmp_path / "both")
    document = json.loads((tmp_path / "both" / SOURCES_FILE).read_text())
    assert [part["episodes"] for part in document["sources"]] == [[0, 3], [3, 5]]
    if name != "rich":  # LeRobot 0.6.1 cannot delete episodes of a dataset with a matrix, its own neither
        edit("delete_episodes", "episode_indices=[0,4]", source=tmp_path / "both", out=tmp_path / "less")
        assert len(items(tmp_path / "less")) == len(parts) - 9 - 8


def test_merge_of_v21_stays_v21_and_drops_and_renames(written, tmp_path):
    rich = export(written["rich"], tmp_path / "rich", version="v2.1").root
    plain = shutil.copytree(written["rich"], tmp_path / "plain")
    edit("remove_feature", "feature_names=['operator']", source=plain, out=tmp_path / "without")
    merge([rich, tmp_path / "without"], tmp_path / "all", drop=["operator"], rename={"next.reward": "reward"})
    info = table(tmp_path / "all", "info.json")
    assert info["codebase_version"] == "v2.1"
    assert "operator" not in info["features"]
    assert info["features"]["reward"]["dtype"] == "float32"
    export(tmp_path / "all", tmp_path / "new", version="v3.0")
    twice = [*items(written["rich"]), *items(written["rich"])]
    found = items(tmp_path / "new")
    for ours, theirs in zip(found, twice, strict=True):
        assert ours["reward"] == theirs["next.reward"]
        assert ours["task"] == theirs["task"]


@pytest.mark.parametrize(("name", "storage"), [("six", "image"), ("images", "video")])
def test_lerobot_reads_pictures_that_are_stored_otherwise(written, tmp_path, name, storage):
    """As PNGs they are what LeRobot's reader decoded; as video they are near the images."""
    new = export(written[name], tmp_path / "new", storage=storage).root
    assert not failed(new)
    camera = next(key for key in table(new, "info.json")["features"] if "images" in key)
    ours, theirs = items(new), items(written[name])
    for found, expected in zip(ours, theirs, strict=True):
        off = np.abs(np.asarray(found[camera]) - np.asarray(expected[camera]))
        assert off.max() < 1e-6 if storage == "image" else off.mean() < 0.02, off.max()
    # Statistics of every picture; LeRobot's own are of a sample of them.
    source = ours if storage == "image" else theirs
    pixels = np.stack([np.asarray(item[camera]) for item in source])
    stats = table(new, "stats.json")[camera]
    for statistic, of in (("mean", pixels.mean(axis=(0, 2, 3))), ("max", pixels.max(axis=(0, 2, 3)))):
        np.testing.assert_allclose(np.ravel(stats[statistic]), of, atol=1e-5, err_msg=statistic)
    edit("delete_episodes", "episode_indices=[1]", source=new, out=tmp_path / "less")
    assert len(items(tmp_path / "less")) == len(theirs) - 12


def test_what_was_exported_and_merged_goes_to_the_hub_and_back(written, tmp_path, hub):  # noqa: F811
    old = export(written["rich"], tmp_path / "old", version="v2.1").root
    both = merge([written["so101"], shutil.copytree(written["so101"], tmp_path / "copy")], tmp_path / "both").root
    for root, target in ((old, "pi05_libero"), (both, "lerobot")):
        command("validate", root, "--against", target, code=None)
        name, there = f"me/{root.name}", ("--endpoint", hub.endpoint)
        command("push", root, "--repo-id", name, *there, "--force")
        command("pull", name, *there, "--output", tmp_path / "got" / root.name)
        assert content_hash(tmp_path / "got" / root.name) == content_hash(root)


def test_large_datasets_have_several_files(written, tmp_path, monkeypatch):
    monkeypatch.setattr("mstool.dataset.formats.v3.VIDEO_FILE_MB", 0.001)
    monkeypatch.setattr("mstool.dataset.formats.v3.DATA_FILE_MB", 0.003)
    old, new = tmp_path / "old", tmp_path / "new"
    export(written["so101"], old, version="v2.1")
    export(old, new, version="v3.0")
    for folder in ("videos/observation.images.front", "data"):
        assert len([path for path in (new / folder).rglob("*") if path.is_file()]) > 1
    same(items(new), items(written["so101"]))
    # A video that cannot be cut where episodes begin is one file, however large.
    root = shutil.copytree(written["so101"], tmp_path / "root")
    (path,) = (root / "videos/observation.images.front").rglob("*.mp4")
    expected = np.stack(recode(path, B_FRAMES))
    merge([root, shutil.copytree(root, tmp_path / "copy")], tmp_path / "both")
    assert len(list((tmp_path / "both/videos/observation.images.front").rglob("*.mp4"))) == 2
    np.testing.assert_array_equal(front(tmp_path / "both").round(), np.concatenate([expected, expected]))
