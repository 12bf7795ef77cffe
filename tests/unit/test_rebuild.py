"""`merge` and `export` on datasets made without a simulator: nothing is lost, nothing is guessed."""

import io
import json
import shutil
from dataclasses import replace

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.edited import edit_info
from support.records import as_version_0_1_1, edited_record, read_record
from support.shards import FACTS, make_dataset, make_episode

from mstool.dataset.conventions import load_conventions
from mstool.dataset.episode_log import read_episode_log
from mstool.dataset.files import RECORD_FILE
from mstool.errors import DataError, UsageError
from mstool.maniskill2lerobot.pictures.video import decode, psnr_db
from mstool.maniskill2lerobot.rewrite.extract import ENCODED_AGAIN
from mstool.maniskill2lerobot.rewrite.merge_export import export, merge
from mstool.maniskill2lerobot.rewrite.stored import open_stored
from mstool.validators import validate

BOTH = {"v3.0": "video", "v2.1": "image"}


def info(root):
    return json.loads((root / "meta/info.json").read_text())


def files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def packets(path):
    """What is compressed, and when it is shown (s)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(bytes(p), float(p.pts * p.time_base)) for p in container.demux(stream) if p.dts is not None]


def same_but_where_it_came_from(ours, theirs):
    """Every file equal byte for byte; videos in every packet, the record up to what export and merge add."""
    left, right = files(ours), files(theirs)
    assert set(left) == set(right)
    different = {name for name in left if left[name] != right[name]} - {RECORD_FILE}
    for name in different:  # a container that was written again has another header
        assert name.endswith(".mp4")
        assert packets(ours / name) == packets(theirs / name)
    documents = [json.loads(each[RECORD_FILE]) for each in (left, right)]
    for document in documents:
        for name in ("exported_from", "warnings", "demos", "dropped"):
            document.pop(name, None)
    assert documents[0] == documents[1]


def dataset(tmp_path, name, formats=BOTH, layout="libero", tasks=("lift it", "push it", "lift it"), first=0, **more):
    episodes = [
        make_episode(tmp_path / f"{name}-shards", layout, seed=first + k, frames=5 + k, task=task, **more)
        for k, task in enumerate(tasks)
    ]
    return make_dataset(tmp_path / name, tmp_path / f"{name}-work", formats, episodes)


@pytest.mark.parametrize(
    ("layout", "goal"), [("libero", "visible"), ("droid", "state"), ("tcp", "visible"), ("native", "state")]
)
@pytest.mark.parametrize("storage", ["image", "video"])
def test_export_there_and_back_is_the_same_dataset(tmp_path, layout, goal, storage):
    root = dataset(tmp_path, "data", {"v3.0": storage}, layout, goal=goal)
    export(root, tmp_path / "old", version="v2.1")
    export(tmp_path / "old", tmp_path / "new", version="v3.0")
    same_but_where_it_came_from(tmp_path / "new", root)


def test_export_is_what_convert_would_have_written(tmp_path):
    episodes = [make_episode(tmp_path / "shards", seed=k, task=f"task {k}") for k in range(3)]
    for version in ("v3.0", "v2.1"):
        for storage in ("image", "video"):
            make_dataset(tmp_path / f"{version}-{storage}", tmp_path / "work", {version: storage}, episodes)
    for storage in ("image", "video"):
        export(tmp_path / f"v3.0-{storage}", tmp_path / f"old-{storage}", version="v2.1")
        same_but_where_it_came_from(tmp_path / f"old-{storage}", tmp_path / f"v2.1-{storage}")
        export(tmp_path / f"v2.1-{storage}", tmp_path / f"new-{storage}", version="v3.0")
        same_but_where_it_came_from(tmp_path / f"new-{storage}", tmp_path / f"v3.0-{storage}")
    # Images encode to the very video that conversion writes.
    export(tmp_path / "v2.1-image", tmp_path / "encoded", version="v3.0", storage="video")
    same_but_where_it_came_from(tmp_path / "encoded", tmp_path / "v3.0-video")


def test_video_to_images_keeps_statistics_and_says_what_the_images_are(tmp_path):
    root = dataset(tmp_path, "data", {"v3.0": "video"})
    report = export(root, tmp_path / "old", version="v2.1", storage="image")
    assert "decoded from H.264" in report.notes[0]
    assert read_record(tmp_path / "old")["warnings"] == list(report.notes)
    back = export(tmp_path / "old", tmp_path / "back", version="v3.0", storage="video")
    assert not back.notes
    assert (tmp_path / "back/meta/stats.json").read_bytes() == (root / "meta/stats.json").read_bytes()
    stored = [json.loads(line) for line in (tmp_path / "old/meta/episodes_stats.jsonl").read_text().splitlines()]
    table = pd.concat(pd.read_parquet(path) for path in (root / "meta/episodes").rglob("*.parquet"))
    for line, (_, row) in zip(stored, table.iterrows(), strict=True):
        np.testing.assert_array_equal(
            np.ravel(line["stats"]["image"]["mean"]),
            np.concatenate([np.ravel(v) for v in np.ravel(row["stats/observation.images.image/mean"])]).ravel(),
        )


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_merge_is_one_conversion_of_all(tmp_path, version):
    storage = BOTH[version]
    shards = [make_episode(tmp_path / "shards", seed=k, frames=4 + k, task=f"task {k % 3}") for k in range(5)]
    make_dataset(tmp_path / "a", tmp_path / "w", {version: storage}, shards[:2])
    make_dataset(tmp_path / "b", tmp_path / "w", {version: storage}, shards[2:])
    make_dataset(tmp_path / "all", tmp_path / "w", {version: storage}, shards)
    report = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "merged")
    assert report.instructions == ("task 0", "task 1", "task 2")
    same_but_where_it_came_from(tmp_path / "merged", tmp_path / "all")
    assert read_record(tmp_path / "merged")["dropped"] == {"timeout": 2}
    # The other way round: tasks are numbered by first use.
    assert merge([tmp_path / "b", tmp_path / "a"], tmp_path / "swapped").instructions == ("task 2", "task 0", "task 1")


def test_lerobot_opens_a_merged_dataset(tmp_path):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    parts = [dataset(tmp_path, name, {"v3.0": "video"}, first=10 * k) for k, name in enumerate("ab")]
    merge(parts, tmp_path / "merged")
    opened = LeRobotDataset("x/merged", root=tmp_path / "merged", video_backend="pyav")
    assert (opened.num_episodes, opened.num_frames) == (6, 36)
    assert [opened[i]["task"] for i in (0, 5, 11)] == ["lift it", "push it", "lift it"]
    (video,) = (parts[1] / "videos/observation.images.image").rglob("*.mp4")
    first_of_b = next(iter(decode(video)))
    shown = (opened[18]["observation.images.image"].permute(1, 2, 0).numpy() * 255).round()
    np.testing.assert_array_equal(shown, first_of_b)


def test_without_histograms_the_stored_pictures_are_counted(tmp_path):
    root = dataset(tmp_path, "data", {"v2.1": "image"})
    kept = export(root, tmp_path / "kept", version="v3.0")
    (root / "meta/mstool/image_histograms.npz").unlink()
    counted = export(root, tmp_path / "counted", version="v3.0")
    assert not kept.notes
    assert "kept no histograms" in counted.notes[0]
    # PNG loses nothing, so neither does counting them.
    assert (tmp_path / "kept/meta/stats.json").read_bytes() == (tmp_path / "counted/meta/stats.json").read_bytes()


def test_damaged_histograms_are_said_to_be_damaged(tmp_path):
    root = dataset(tmp_path, "data", {"v2.1": "image"})
    path = root / "meta/mstool/image_histograms.npz"
    whole = path.read_bytes()
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    damaged = bytearray(whole)
    damaged[len(whole) // 4 : len(whole) // 3] = bytes(len(whole) // 3 - len(whole) // 4)
    for content in (b"garbage" * 50, b"", whole[: len(whole) // 2], array.getvalue(), bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            export(root, tmp_path / "again", version="v3.0")
        assert error.value.message == f"{path} is damaged; without it the images are decoded again"
        assert error.value.fix == f"rm {path}"
        assert validate(root, "pi05_libero", select=["MS805"]).codes("warned") == {"MS805"}
    path.write_bytes(whole)
    assert validate(root, "pi05_libero", select=["MS805"]).codes("passed") == {"MS805"}


def test_merge_names_every_difference(tmp_path):
    first = dataset(tmp_path, "first", {"v3.0": "video"})
    other = dataset(tmp_path, "other", {"v2.1": "image"}, "joint", size=(32, 16))
    with pytest.raises(DataError) as error:
        merge([first, other], tmp_path / "out")
    for word in (
        "format: v3.0 and v2.1",
        "images stored as: video and image",
        "layout: libero and joint",
        "image_size: [16, 16] and [32, 16]",
    ):
        assert word in error.value.message
    assert error.value.fix.startswith(f"mstool export {tmp_path / 'other'} --format v3.0 --storage video")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


OSC_POSE = {"fps": 20, "position_m": 0.05, "rotation_rad": 0.5, "finger_open_m": 0.04}


def of_libero(tmp_path, name, layout="libero", controller=OSC_POSE):
    made = make_episode(
        tmp_path / f"{name}-shards", layout, seed=1_000_000, env="libero_spatial/3", controller=controller
    )
    begun = replace(made, mark=replace(made.mark, first_state={"mujoco": {"state": [0.1, 1 / 3]}}))
    return make_dataset(tmp_path / name, tmp_path / f"{name}-work", {"v3.0": "video"}, [begun])


def test_both_benchmarks_in_one_dataset_keep_their_controllers_and_first_states(tmp_path):
    one = dataset(tmp_path, "one", {"v3.0": "video"})
    merge([one, of_libero(tmp_path, "two")], tmp_path / "both")
    record = load_conventions(tmp_path / "both").record
    assert record.controller_of("libero_spatial/3") == OSC_POSE
    assert record.controller_of("PickCube-v1") == FACTS
    assert set(record.benchmarks) == {"LIBERO"}
    assert record.maniskill
    *others, last = read_episode_log(tmp_path / "both")
    assert last["first_state"] == {"mujoco": {"state": [0.1, 1 / 3]}}
    assert all("first_state" not in line for line in others)


def test_both_benchmarks_need_one_rate_and_one_scale(tmp_path):
    one = dataset(tmp_path, "one", {"v3.0": "video"})
    slow = of_libero(tmp_path, "slow", controller=OSC_POSE | {"fps": 10})
    with pytest.raises(DataError, match="fps: 20 and 10"):
        merge([one, slow], tmp_path / "out")
    # In the controllers' own numbers, 1.0 is another distance in each.
    own = dataset(tmp_path, "own", {"v3.0": "video"}, "native")
    with pytest.raises(DataError, match=r"controller: .*'position_m': 0\.1.* and .*'position_m': 0\.05"):
        merge([own, of_libero(tmp_path, "theirs", "native")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_two_formats_says_which_to_give(tmp_path):
    root = dataset(tmp_path, "data")
    with pytest.raises(UsageError, match="it holds 2") as error:
        open_stored(root)
    assert error.value.fix == f"give {root / 'v3.0'}"


@pytest.mark.parametrize("storage", ["video", "image"])
@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_what_an_earlier_version_wrote_is_repaired(tmp_path, version, storage):
    root = dataset(tmp_path, "data", {version: storage})
    before = as_version_0_1_1(shutil.copytree(root, tmp_path / "before"))
    export(before, tmp_path / "repaired", version=version)
    same_but_where_it_came_from(tmp_path / "repaired", root)
    with pytest.raises(UsageError, match="already"):
        export(tmp_path / "repaired", tmp_path / "out", version=version)
    # Words in which a layout explains itself may differ from version to version.
    with edited_record(before) as record:
        record["conventions"] = {"gripper_action": "said otherwise"}
    merge([before, dataset(tmp_path, "now", {version: storage}, first=10)], tmp_path / "merged")
    table = info(root)["features"]
    assert info(tmp_path / "merged")["features"] == table
    assert "text" not in {type(value).__name__ for each in table.values() for value in each.get("info", {}).values()}


def test_videos_of_another_encoder_are_encoded_once_more(tmp_path):
    """B-frames are stored in another order than they are shown in: copied packets would change places."""
    root = dataset(tmp_path, "data", {"v3.0": "video"})
    for path in (root / "videos").rglob("*.mp4"):
        shown = list(decode(path))
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=20, options={"crf": "0", "bf": "3", "g": "250"})
            stream.height, stream.width, stream.pix_fmt = *shown[0].shape[:2], "yuv444p"
            for image in shown:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            out.mux(stream.encode(None))
    report = export(root, tmp_path / "out", version="v2.1")
    assert report.notes == (f"{ENCODED_AGAIN} (3 of 3 episodes)",)
    assert "psnr_db" not in read_record(tmp_path / "out") or not read_record(tmp_path / "out")["psnr_db"]
    for view, column in (("image", "image"), ("wrist_image", "image2")):
        (path,) = (root / f"videos/observation.images.{column}").rglob("*.mp4")
        before = list(decode(path))
        after = [image for p in sorted((tmp_path / "out").rglob(f"{view}/*.mp4")) for image in decode(p)]
        assert len(before) == len(after) == 18
        assert min(psnr_db(a, b) for a, b in zip(before, after, strict=True)) > 38


def test_nothing_to_change_and_wrong_numbers_of_datasets(tmp_path):
    root = dataset(tmp_path, "data", {"v3.0": "video"})
    with pytest.raises(UsageError, match="already"):
        export(root, tmp_path / "out", version="v3.0")
    with pytest.raises(UsageError, match="at least two"):
        merge([root], tmp_path / "out")
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="twice") as caught:
        merge([root, tmp_path / "data/../data"], out)
    assert caught.value.fix == f"mstool merge {tmp_path}/data ANOTHER --output {out}"
    other = dataset(tmp_path, "other", {"v3.0": "video"})
    with pytest.raises(UsageError, match="twice") as caught:
        merge([root, other, root], out)
    assert caught.value.fix == f"mstool merge {root} {other} --output {out}"
    for overwrite in (True, False):
        with pytest.raises(UsageError, match="is the dataset that is read"):
            export(root, root, version="v2.1", overwrite=overwrite)


@pytest.mark.parametrize("damage", ["video", "rows", "log", "table"])
def test_damage_is_named_and_nothing_is_left(tmp_path, damage):
    root = dataset(tmp_path, "data", {"v3.0": "video"})
    if damage == "video":
        path = next((root / "videos").rglob("*.mp4"))
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "rows":
        path = next((root / "data").rglob("*.parquet"))
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "log":
        path = root / "meta/mstool/episodes.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    else:
        shutil.rmtree(root / "meta/episodes")
    with pytest.raises(DataError):
        export(root, tmp_path / "out", version="v2.1")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_episodes_that_are_in_both_are_counted(tmp_path):
    first = dataset(tmp_path, "first", {"v3.0": "video"})
    again = tmp_path / "again"
    shutil.copytree(first, again)
    assert "3 episodes are in more than one" in merge([first, again], tmp_path / "out").notes[0]


def test_the_commands(tmp_path, mstool, capsys):
    root = dataset(tmp_path, "data", {"v3.0": "video"})
    other = dataset(tmp_path, "other", {"v3.0": "video"}, first=20)
    assert mstool("export", root, "--format", "v2.1", "--output", tmp_path / "old", "--json") == 0
    assert json.loads(capsys.readouterr().out)["formats"] == {"v2.1": "video"}
    assert mstool("merge", root, other, "--output", tmp_path / "both") == 0
    assert "6, 36 frames" in capsys.readouterr().out
    assert mstool("export", root, "--format", "v1", "--output", tmp_path / "x") == 2
    assert "there are: v3.0, v2.1" in capsys.readouterr().err


def test_what_cannot_be_taken_apart_is_named_and_checked(tmp_path):
    root = dataset(tmp_path, "data", {"v3.0": "video"})
    check = f"mstool validate {root}"
    log = root / "meta/mstool/episodes.jsonl"
    kept = log.read_text()
    log.write_text(kept.replace('"PickCube-v1"', '"PushCube-v1"'))
    with pytest.raises(DataError, match=r"episodes are of PushCube-v1 \(meta/mstool/episodes\.jsonl\), of which"):
        export(root, tmp_path / "out", version="v2.1")
    log.write_text(kept)
    file = next(root.glob("data/*/*.parquet"))
    table = pq.read_table(file)
    for damaged, said in (
        (table.slice(1), "episode 0 has .* rows, its table says"),
        (_with_an_empty_cell(table), "episode 0 has an empty cell, or rows of several lengths, in "),
    ):
        pq.write_table(damaged, file)
        with pytest.raises(DataError, match=said) as error:
            export(root, tmp_path / "out", version="v2.1")
        assert error.value.fix == check
    pq.write_table(table, file)
    edit_info(root, lambda info: info.update(fps=30))
    with pytest.raises(DataError, match=r"episode 1 begins at .* s, expected .* 30 frames/s \(info\.json\)") as error:
        export(root, tmp_path / "out", version="v2.1")
    assert error.value.fix == check


def _with_an_empty_cell(table):
    column = table.column_names.index("action")
    values = table.column(column).to_pylist()
    return table.set_column(column, "action", pa.array([None, *values[1:]], table.schema.field(column).type))


def test_the_same_demos_of_two_conversions_are_told(tmp_path):
    one = dataset(tmp_path, "one", {"v3.0": "video"})
    other = shutil.copytree(one, tmp_path / "other")
    log = other / "meta/mstool/episodes.jsonl"
    lines = [json.loads(line) | {"fingerprint": "of a conversion to both formats"} for line in log.open()]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    note = f"{len(lines)} episodes are in more than one of the datasets: they weigh more in training (MS210)"
    assert note in merge([one, other], tmp_path / "both").notes
