"""A v2.1 dataset opens in lerobot at openpi's pinned commit, and has the columns that openpi's configs repack.

The checks are those of lerobot 0cf8648 (`lerobot/common/datasets/lerobot_dataset.py`, `utils.py`, `compute_stats.py`)
and openpi's `src/openpi/training/config.py`, written down again here: neither can be installed beside lerobot 0.6.1.
"""

import io
import json
import shutil

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.records import read_record
from support.shards import make_dataset, make_episode

# `datasets` 3.6, which openpi pins, knows these feature types; `List` came with 4.0.
TYPES_OF_DATASETS_36 = {"Value", "Sequence", "Image", "Audio", "Video", "ClassLabel", "Array2D", "Array3D"}
TOLERANCE_S = 1e-4
# `LeRobotLiberoDataConfig` and `LeRobotDROIDDataConfig`: what RepackTransform takes from the dataset, `prompt` being
# the task. And the examples' converters: dtype and shape.
REPACK = {
    "libero": {"image": (256, 256, 3), "wrist_image": (256, 256, 3), "state": (8,), "actions": (7,)},
    "droid": {
        "exterior_image_1_left": (180, 320, 3),
        "exterior_image_2_left": (180, 320, 3),
        "wrist_image_left": (180, 320, 3),
        "joint_position": (7,),
        "gripper_position": (1,),
        "actions": (8,),
    },
}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def open_as_lerobot(root):
    """Do what `LeRobotDataset.__init__` does; return info, tasks, and all rows as one list of dicts."""
    info = json.loads((root / "meta/info.json").read_text())
    assert info["codebase_version"] == "v2.1"
    tasks = {item["task_index"]: item["task"] for item in lines(root / "meta/tasks.jsonl")}
    episodes = {item["episode_index"]: item for item in lines(root / "meta/episodes.jsonl")}
    assert list(tasks) == list(range(info["total_tasks"]))
    assert list(episodes) == list(range(info["total_episodes"]))
    aggregate_stats([item["stats"] for item in lines(root / "meta/episodes_stats.jsonl")])
    rows = []
    for index, episode in episodes.items():
        chunk = index // info["chunks_size"]
        table = pq.read_table(root / info["data_path"].format(episode_chunk=chunk, episode_index=index))
        check_features(table.schema, info["features"])
        assert table.num_rows == episode["length"]
        for key, feature in info["features"].items():
            if feature["dtype"] == "video":
                path = root / info["video_path"].format(episode_chunk=chunk, video_key=key, episode_index=index)
                check_video(path, table.column("timestamp").to_numpy(), info["fps"])
        rows += table.to_pylist()
        assert [tasks[row["task_index"]] for row in table.to_pylist()] == episode["tasks"] * episode["length"]
    assert len(rows) == info["total_frames"]
    assert len(list((root / "data").rglob("*"))) == info["total_chunks"] + info["total_episodes"]
    check_timestamps_sync(rows, episodes, info["fps"])
    return info, tasks, rows


def check_features(schema, features):
    """`get_hf_features_from_features`: what `datasets` reads from the parquet metadata must be what info.json says."""
    stored = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert set(stored) == {key for key, feature in features.items() if feature["dtype"] != "video"}
    for key, kind in stored.items():
        dtype, shape = features[key]["dtype"], features[key]["shape"]
        assert kind["_type"] in TYPES_OF_DATASETS_36
        if dtype == "image":
            assert kind == {"_type": "Image"}
            assert [field.name for field in schema.field(key).type] == ["bytes", "path"]
        elif shape == [1]:
            assert kind == {"dtype": dtype, "_type": "Value"}
            assert str(schema.field(key).type) == {"float32": "float", "int64": "int64"}[dtype]
        else:
            assert kind == {"feature": {"dtype": dtype, "_type": "Value"}, "length": shape[0], "_type": "Sequence"}
            assert schema.field(key).type.list_size == shape[0]


def check_timestamps_sync(rows, episodes, fps):
    stamps = np.array([row["timestamp"] for row in rows], np.float32)
    ends = np.cumsum([episode["length"] for episode in episodes.values()])
    inside = np.ones(len(stamps) - 1, bool)
    inside[ends[:-1] - 1] = False
    if not (np.abs(np.diff(stamps) - 1 / fps) <= TOLERANCE_S)[inside].all():
        raise ValueError("timestamps violate the tolerance inside an episode")


def check_video(path, stamps, fps):
    """`decode_video_frames`: a frame within the tolerance of every row's timestamp."""
    with av.open(str(path)) as container:
        shown = np.array([float(frame.pts * frame.time_base) for frame in container.decode(video=0)])
    assert len(shown) == len(stamps)
    assert np.abs(shown - stamps).max() < TOLERANCE_S


def aggregate_stats(episodes):
    """`_assert_type_and_shape` and the weighted mean."""
    for stats in episodes:
        assert set(stats) == set(episodes[0])
        for key, feature in stats.items():
            assert set(feature) == {"min", "max", "mean", "std", "count"}
            for name, value in feature.items():
                shape = np.array(value).shape
                assert shape != ()
                if name == "count" and shape != (1,):
                    raise ValueError("Shape of 'count' must be (1)")
                if "image" in key and name != "count" and shape != (3, 1, 1):
                    raise ValueError("Shape must be (3,1,1)")
                if "image" in key and name == "max":
                    assert np.max(value) <= 1


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Every layout as images and as video, two tasks, at the layouts' own sizes where openpi has one."""
    folder = tmp_path_factory.mktemp("v21")
    roots = {}
    for layout, size in {"libero": (256, 256), "droid": (180, 320), "joint": (32, 32), "native": (32, 32)}.items():
        episodes = [
            make_episode(folder / layout, layout, seed=k, frames=4 + k, task=f"task {k % 2}", size=size)
            for k in range(3)
        ]
        for storage in ("image", "video"):
            root = folder / f"{layout}-{storage}"
            roots[layout, storage] = make_dataset(
                root, folder / f"work-{layout}-{storage}", {"v2.1": storage}, episodes
            )
    return roots


@pytest.mark.parametrize("storage", ["image", "video"])
@pytest.mark.parametrize("layout", ["libero", "droid", "joint", "native"])
def test_lerobot_at_openpis_commit_opens_it(written, layout, storage):
    info, tasks, rows = open_as_lerobot(written[layout, storage])
    assert tasks == {0: "task 0", 1: "task 1"}
    assert [row["index"] for row in rows] == list(range(15))
    assert info["total_videos"] == (
        0 if storage == "image" else 3 * len(read_record(written[layout, storage])["views"])
    )
    if storage == "image":
        view = next(iter(read_record(written[layout, storage])["views"]))
        with Image.open(io.BytesIO(rows[0][view]["bytes"])) as picture:
            assert [picture.height, picture.width, 3] == info["features"][view]["shape"]


@pytest.mark.parametrize("layout", REPACK)
def test_openpi_finds_the_columns_it_repacks(written, layout):
    info, _, rows = open_as_lerobot(written[layout, "image"])
    for key, shape in REPACK[layout].items():
        assert tuple(info["features"][key]["shape"]) == shape
        assert info["features"][key]["dtype"] == ("image" if len(shape) == 3 else "float32")
        if len(shape) == 1:
            assert np.atleast_1d(rows[0][key]).shape == shape
    # Nothing but these and LeRobot's own index columns: RepackTransform would drop it unseen.
    assert set(info["features"]) == set(REPACK[layout]) | {
        "timestamp",
        "frame_index",
        "episode_index",
        "index",
        "task_index",
    }


def test_real_conversion_opens_too(pickcube):
    _, tasks, rows = open_as_lerobot(pickcube / "v2.1")
    assert len(rows) == 148
    assert list(tasks.values()) == ["pick up the red cube and move it to the green sphere"]


def test_the_checks_notice_what_they_are_for(written, tmp_path):
    root = tmp_path / "broken"
    shutil.copytree(written["joint", "image"], root)
    stats = lines(root / "meta/episodes_stats.jsonl")
    stats[1]["stats"]["image"]["mean"] = [0.5, 0.5, 0.5]
    (root / "meta/episodes_stats.jsonl").write_text("".join(json.dumps(item) + "\n" for item in stats))
    with pytest.raises(ValueError, match=r"\(3,1,1\)"):
        open_as_lerobot(root)
    shutil.copy(written["joint", "image"] / "meta/episodes_stats.jsonl", root / "meta")
    path = root / "data/chunk-000/episode_000001.parquet"
    table = pq.read_table(path)
    stamps = table.column("timestamp").to_numpy().copy()
    stamps[2] += 2e-3
    pq.write_table(
        table.set_column(table.schema.get_field_index("timestamp"), table.schema.field("timestamp"), [stamps]), path
    )
    with pytest.raises(ValueError, match="tolerance"):
        open_as_lerobot(root)
