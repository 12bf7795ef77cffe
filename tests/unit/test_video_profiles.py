"""`--video-profile` without a simulator: what it changes in a dataset, and what stays as it was."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.records import drop_record, read_record
from support.shards import make_dataset, make_episode

from mstool.dataset.media import open_video
from mstool.errors import DataError, UsageError
from mstool.maniskill2lerobot.options import choose_profile, make_recipe
from mstool.maniskill2lerobot.pictures.pngs import read_pngs
from mstool.maniskill2lerobot.pictures.profiles import PROFILES
from mstool.maniskill2lerobot.pictures.video import decode, psnr_db
from mstool.maniskill2lerobot.rewrite.merge_export import export, merge
from mstool.validators import validate

VIEW = "observation.images.image"


def dataset(folder, name, profile="exact", first=0, size=(16, 16)):
    shards = folder / f"{name}-shards"
    episodes = [
        make_episode(shards, seed=first + k, frames=5 + k, task=f"task {k % 2}", size=size, profile=profile)
        for k in range(3)
    ]
    return make_dataset(folder / name, folder / f"{name}-work", {"v3.0": "video"}, episodes)


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("exact"), "data")


def streams(root):
    found = set()
    for path in (root / "videos").rglob("*.mp4"):
        with open_video(path) as container:
            codec = container.streams.video[0].codec_context
            found.add((codec.name, codec.pix_fmt))
    return found


def described(root):
    features = json.loads((root / "meta/info.json").read_text())["features"]
    return {spec["info"]["video.pix_fmt"] for spec in features.values() if spec["dtype"] == "video"}


def rows(root):
    return pq.read_table(next((root / "data").rglob("*.parquet")))


def pictures(root):
    return np.stack([image for path in sorted((root / "videos" / VIEW).rglob("*.mp4")) for image in decode(path)])


def test_export_to_portable_keeps_rows_and_statistics_and_says_what_it_did(exact, tmp_path):
    report = export(exact, tmp_path / "new", profile="portable")
    assert report.formats == {"v3.0": "video"}
    assert "encoded once more, as portable; statistics stay those of the rendered images" in report.notes[0]
    assert streams(tmp_path / "new") == {("h264", "yuv420p")}
    assert described(tmp_path / "new") == {"yuv420p"}
    assert (described(exact), read_record(exact)["video_profile"]) == ({"yuv444p"}, "exact")
    assert read_record(tmp_path / "new")["video_profile"] == "portable"
    assert rows(tmp_path / "new").equals(rows(exact))
    for name in ("meta/stats.json", "meta/mstool/episodes.jsonl"):
        assert (tmp_path / "new" / name).read_bytes() == (exact / name).read_bytes()
    export(exact, tmp_path / "again", profile="portable")
    for path in (tmp_path / "new/videos").rglob("*.mp4"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "new")).read_bytes()


def test_the_record_promises_no_more_than_there_is(exact, tmp_path):
    """What it says of the worst picture is a bound: nobody has the rendered ones any more."""
    export(exact, tmp_path / "new", profile="portable")
    import cv2

    view = read_record(exact)["views"][VIEW]
    shards = sorted((exact.parent / "data-shards").iterdir())
    rendered = [
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        for shard in shards
        for png in read_pngs(shard / f"{view}.parquet")
    ]
    told = [read_record(root)["psnr_db"][view] for root in (exact, tmp_path / "new")]
    there = min(psnr_db(a, b) for a, b in zip(rendered, pictures(tmp_path / "new"), strict=True))
    assert 20 < told[1] < told[0]
    assert told[1] <= there + 0.01


def test_back_to_exact_and_to_v21(exact, tmp_path):
    export(exact, tmp_path / "portable", profile="portable")
    report = export(tmp_path / "portable", tmp_path / "back", profile="exact")
    assert "does not come back" in report.notes[0]
    assert streams(tmp_path / "back") == {("h264", "yuv444p")}
    pairs = zip(pictures(tmp_path / "portable"), pictures(tmp_path / "back"), strict=True)
    assert min(psnr_db(a, b) for a, b in pairs) > 38
    # Without the option the encoding stays, packet for packet, in whatever format.
    export(tmp_path / "portable", tmp_path / "old", version="v2.1")
    assert streams(tmp_path / "old") == {("h264", "yuv420p")}
    export(tmp_path / "old", tmp_path / "new", version="v3.0")
    np.testing.assert_array_equal(pictures(tmp_path / "new"), pictures(tmp_path / "portable"))


def test_images_become_videos_of_the_profile(exact, tmp_path):
    export(exact, tmp_path / "images", storage="image")
    assert "video_profile" not in read_record(tmp_path / "images")
    export(tmp_path / "images", tmp_path / "new", storage="video", profile="portable")
    assert streams(tmp_path / "new") == {("h264", "yuv420p")}
    with pytest.raises(UsageError, match="of no use where images are stored"):
        export(tmp_path / "images", tmp_path / "no", profile="portable")
    for storage_chosen, change in ((True, {"--storage": "video"}), (False, {"--video-profile": None})):
        with pytest.raises(UsageError, match="of no use where images are stored") as caught:
            choose_profile("portable", ["image"], storage_chosen=storage_chosen)
        assert caught.value.change == change


def test_nothing_to_change(exact, tmp_path):
    with pytest.raises(UsageError, match=r"stored as video \(exact\) already.*--video-profile"):
        export(exact, tmp_path / "new", profile="exact")
    assert not (tmp_path / "new").exists()


def test_merge_with_what_an_older_version_encoded_keeps_both_in_files_of_their_own(exact, tmp_path, monkeypatch):
    """One file's header is for one way of encoding: joined, the others' frames would come out wrong."""
    extra = {**PROFILES["exact"].extra_options, "x264-params": "ipratio=1.0:cpu-independent=1"}
    with monkeypatch.context() as patched:
        patched.setitem(PROFILES, "exact", replace(PROFILES["exact"], extra_options=extra))
        older = dataset(tmp_path, "older", first=3)
    merge([older, exact], tmp_path / "both")
    files = sorted((tmp_path / "both/videos" / VIEW).rglob("*.mp4"))
    assert [sum(1 for _ in decode(path)) for path in files] == [5 + 6 + 7] * 2
    np.testing.assert_array_equal(pictures(tmp_path / "both"), np.concatenate([pictures(older), pictures(exact)]))
    merge([dataset(tmp_path, "more", first=3), exact], tmp_path / "alike")
    assert len(list((tmp_path / "alike/videos" / VIEW).rglob("*.mp4"))) == 1


def test_merge_of_two_profiles_wants_one_and_the_fix_gives_it(exact, tmp_path):
    other = dataset(tmp_path, "portable", "portable", first=3)
    with pytest.raises(DataError, match="video profile: exact and portable") as error:
        merge([exact, other], tmp_path / "both")
    assert error.value.fix.endswith("--video-profile exact")
    merge([exact, other], tmp_path / "both", profile="portable")
    assert streams(tmp_path / "both") == {("h264", "yuv420p")}
    np.testing.assert_array_equal(pictures(tmp_path / "both")[-18:], pictures(other))


def test_a_dataset_made_elsewhere(exact, tmp_path):
    import shutil

    root = shutil.copytree(exact, tmp_path / "elsewhere")
    drop_record(root)
    report = export(root, tmp_path / "new", profile="portable")
    assert any(f"videos of {VIEW}" in note and "once more, as portable" in note for note in report.notes)
    assert streams(tmp_path / "new") == {("h264", "yuv420p")}
    assert described(tmp_path / "new") == {"yuv420p"}
    assert rows(tmp_path / "new").equals(rows(root))
    stats = [json.loads((each / "meta/stats.json").read_text())[VIEW] for each in (root, tmp_path / "new")]
    assert stats[0] == stats[1]
    with pytest.raises(UsageError, match="with portable videos already"):
        export(tmp_path / "new", tmp_path / "no", profile="portable")


def test_a_size_that_halved_colours_cannot_have(tmp_path):
    root = dataset(tmp_path, "odd", size=(16, 17))
    drop_record(root)
    with pytest.raises(DataError, match="16x17: 4:2:0 needs an even") as error:
        export(root, tmp_path / "new", profile="portable")
    assert "--video-profile exact" in error.value.fix
    assert not (tmp_path / "new").exists()


def test_validate_knows_the_profile_and_sees_another(exact, tmp_path):
    export(exact, tmp_path / "new", profile="portable")
    assert not _encoding(tmp_path / "new")
    record = tmp_path / "new/meta/mstool/record.json"
    record.write_text(record.read_text().replace('"portable"', '"exact"'))
    assert any("video profile 'exact' is not that of" in text for text in _encoding(tmp_path / "new"))


def _encoding(root):
    report = validate(root, "lerobot")
    return [issue.message for each in report.results if each.code == "MS318" for issue in each.issues]


def test_the_words(capsys, mstool, tmp_path):
    with pytest.raises(UsageError, match="unknown video profile 'av1'; there are: exact, portable"):
        make_recipe("PickCube-v1", video_profile="av1")
    with pytest.raises(UsageError, match="of no use where images are stored"):
        make_recipe("PickCube-v1", video_profile="portable", storages=("image",))
    assert make_recipe("PickCube-v1").video_profile == "exact"
    (tmp_path / "d" / "meta").mkdir(parents=True)
    (tmp_path / "d" / "meta" / "info.json").write_text("{}")
    assert mstool("export", tmp_path / "d", "--video-profile", "h265", "--output", tmp_path / "x") == 2
    assert "unknown video profile 'h265'; there are: exact, portable" in capsys.readouterr().err
