"""Datasets that LeRobot refuses or reads as something else fail, with the right cause; odd but valid ones do not.

Each is a small dataset of real episodes with one change, named after what it is.
"""

import io
import json
import shutil
from dataclasses import dataclass, field

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.edited import (
    BASE,
    DATA,
    EPISODES,
    GOLDEN,
    WRIST,
    edit_episodes,
    edit_info,
    undeclare,
)
from support.proofs import some

from mstool.norm_stats.output import write_exact_stats
from mstool.validators import validate

CAMERA = "observation.images.image"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1234\n".format("0" * 64)


@dataclass(frozen=True)
class Case:
    name: str
    apply: object
    # What fails, and what warns: no other check.
    failed: set = field(default_factory=set)
    warned: set = field(default_factory=set)
    # A part of the first failing check's fix.
    fix: str = ""
    target: str = "lerobot_pi05"


CASES: list[Case] = []


def case(*failed, warned=(), fix="", target="lerobot_pi05"):
    def add(function):
        CASES.append(Case(function.__name__, function, set(failed), set(warned), fix, target))
        return function

    return add


def faulty(*failed, **others):
    assert failed
    return case(*failed, **others)


valid = case


def spans(root, change):
    """Change (start, end) of every episode's span in every video: `change(episode, start, end)`."""

    def apply(rows):
        for row in rows:
            for key in [key.removesuffix("/from_timestamp") for key in row if key.endswith("/from_timestamp")]:
                start, end = row[f"{key}/from_timestamp"], row[f"{key}/to_timestamp"]
                row[f"{key}/from_timestamp"], row[f"{key}/to_timestamp"] = change(row["episode_index"], start, end)

    edit_episodes(root, apply)


def remux(path, late):
    """Write the same packets again, frame n later by `late(n)` of the time between two."""
    aside = path.with_suffix(".old.mp4")
    path.rename(aside)
    with av.open(str(aside)) as source, av.open(str(path), "w") as target:
        old = source.streams.video[0]
        new = target.add_stream_from_template(old)
        packets = [packet for packet in source.demux(old) if packet.size]
        tick = round(1 / (20 * old.time_base))
        for packet in packets:
            by = round(late(packet.pts // tick) * tick)
            packet.pts, packet.dts = packet.pts + by, packet.dts + by
            packet.stream = new
            target.mux(packet)
    aside.unlink()


def as_images(root, draw, *, channels=3, size=(64, 64), mark=False):
    """Store one camera as PNGs: `draw(rgb, n)` to a Pillow image."""
    undeclare(root)
    with av.open(str(root / BASE)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    shutil.rmtree((root / BASE).parent.parent)
    cells = []
    for n, frame in enumerate(frames):
        buffer = io.BytesIO()
        draw(Image.fromarray(frame), n).save(buffer, "PNG")
        cells.append({"bytes": buffer.getvalue(), "path": None})
    table = pq.read_table(root / DATA)
    column = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(table.append_column(CAMERA, column), root / DATA)
    episodes = pq.read_table(root / EPISODES)
    kept = [name for name in episodes.column_names if not name.startswith(f"videos/{CAMERA}/")]
    pq.write_table(episodes.select(kept), root / EPISODES)

    def declare(info):
        info["features"][CAMERA] = {
            "dtype": "image",
            "shape": [*size, channels],
            "names": ["height", "width", "channels"],
            **({"info": {"is_depth_map": True}} if mark else {}),
        }

    edit_info(root, declare)


# Faulty


@faulty("MS206", fix="from_timestamp as the sum")
def span_drift_2ms(root):
    spans(root, lambda episode, start, end: (start + 0.002 * episode, end + 0.002 * (episode + 1)))


@faulty("MS206", "MS315", fix="the first image at 0 s")
def video_starts_late(root):
    for path in (BASE, WRIST):
        remux(root / path, lambda _n: 2)


@faulty("MS206", fix="encode the video again")
def variable_rate(root):
    """The rate is right on average."""
    remux(root / WRIST, lambda n: 1 / 3 if n % 7 == 2 else 0)


@faulty("MS116", fix="set_index")
def tasks_without_index(root):
    path = root / "meta/tasks.parquet"
    pd.read_parquet(path).reset_index().to_parquet(path)


@faulty("MS116", fix="set_index")
def tasks_without_pandas(root):
    path = root / "meta/tasks.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)


@faulty("MS303", fix="in one size")
def second_video_other_size(root):
    """Episodes 2 and 3 come from a second file, which is smaller."""
    old = root / WRIST
    with av.open(str(old)) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    lengths = [row["length"] for row in pq.read_table(root / EPISODES).to_pylist()]
    cut = sum(lengths[:2])
    _encode(old, frames[:cut])
    _encode(old.with_name("file-001.mp4"), [frame[::2, ::2] for frame in frames[cut:]])

    def move(rows):
        key = "videos/observation.images.image2"
        for row in rows[2:]:
            row[f"{key}/file_index"] = 1
            row[f"{key}/from_timestamp"] -= cut / 20
            row[f"{key}/to_timestamp"] -= cut / 20

    edit_episodes(root, move)


def _encode(path, frames):
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=20, options={"crf": "20", "g": "2", "bf": "0"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv444p"
        for image in frames:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        target.mux(stream.encode())


@faulty("MS303", fix="as RGB")
def image_rgba(root):
    as_images(root, lambda image, _n: image.convert("RGBA"))


@faulty("MS303", fix="as RGB")
def image_grey(root):
    as_images(root, lambda image, _n: image.convert("L"))


@faulty("MS303", fix="in one size")
def image_sizes_mixed(root):
    as_images(root, lambda image, n: image.resize((32, 32)) if n % 2 else image)


@faulty("MS303", fix="write the true size")
def image_size_declared_wrong(root):
    as_images(root, lambda image, _n: image, size=(48, 48))


@faulty("MS110", "MS113")
def lfs_pointers(root):
    for path in (DATA, EPISODES, "meta/tasks.parquet", BASE, WRIST):
        (root / path).write_text(POINTER)


@faulty("MS110", fix="set the episode's data/chunk_index and data/file_index in meta/episodes to that file")
def stale_file_index(root):
    """Rows in a file each, of which the table gives one episode another's."""
    table = pq.read_table(root / DATA)
    episodes = np.array(table["episode_index"])
    for episode in np.unique(episodes):
        path = (root / DATA).with_name(f"file-{episode:03d}.parquet")
        pq.write_table(table.filter(pa.array(episodes == episode)), path)

    def number(rows):
        for row in rows:
            row["data/file_index"] = row["episode_index"]
        rows[2]["data/file_index"] = 1

    edit_episodes(root, number)


@faulty("MS110")
def meta_episodes_missing(root):
    shutil.rmtree(root / "meta/episodes")


@faulty("MS105")
def video_folder_renamed(root):
    (root / "videos").rename(root / "video")


@faulty("MS114", fix="task_index")
def frames_of_one_task_and_episodes_of_another(root):
    """Both sentences are in the task table: one of the two is wrong."""
    path = root / "meta/tasks.parquet"
    table = pd.read_parquet(path)
    table.loc["push the red cube to the left"] = [1]
    table.to_parquet(path)
    edit_info(root, lambda info: info.update(total_tasks=2))
    edit_episodes(root, lambda rows: rows[1].update(tasks=["push the red cube to the left"]))


def edit_stats(root, change):
    path = root / "meta/stats.json"
    stats = json.loads(path.read_text())
    change(stats)
    path.write_text(json.dumps(stats))


@faulty("MS607", fix="mstool stats")
def no_image_stats(root):
    edit_stats(root, lambda stats: [stats.pop(name) for name in list(stats) if "images" in name])


@faulty("MS607", fix="remove the entry")
def image_stats_divided_by_255_twice(root):
    def divide(stats):
        entry = stats[CAMERA]
        entry.update({n: (np.array(entry[n]) / 255).tolist() for n in entry if n != "count"})

    edit_stats(root, divide)


# Valid


@valid()
def to_timestamp_short(root):
    spans(root, lambda _episode, start, end: (start, end - 1 / 20))


@valid()
def float_file_sizes(root):
    edit_info(root, lambda info: info.update(data_files_size_in_mb=100.0, video_files_size_in_mb=200.5))


@valid()
def timestamps_float64(root):
    table = pq.read_table(root / DATA)
    at = table.column_names.index("timestamp")
    exact = pa.array([n / 20 for n in table["frame_index"].to_pylist()], pa.float64())
    pq.write_table(table.set_column(at, "timestamp", exact), root / DATA)
    edit_info(root, lambda info: info["features"]["timestamp"].update(dtype="float64"))


@valid(target="maniskill")
def depth_image(root):
    """16-bit PNGs of one channel, marked as LeRobot marks depth."""
    as_images(root, _depth, channels=1, mark=True)


@valid(target="maniskill")
def depth_image_unmarked(root):
    as_images(root, _depth, channels=1)


def _depth(image, _n):
    return Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16) * 13 + 400)


@valid(target="maniskill")
def depth_video(root):
    """A second video, 12 bits of grey, marked as LeRobot marks depth."""
    undeclare(root)
    camera, path = "observation.images.depth", root / BASE.replace("images.image/", "images.depth/")
    with av.open(str(root / BASE)) as source:
        frames = [frame.to_ndarray(format="gray") for frame in source.decode(video=0)]
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx265", rate=20, options={"x265-params": "log-level=none:bframes=0:keyint=2"})
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = "gray12le"
        for image in frames:
            video = av.VideoFrame.from_ndarray(image.astype(np.uint16) * 16, format="gray12le")
            target.mux(stream.encode(video))
        target.mux(stream.encode())

    episodes = pq.read_table(root / EPISODES)
    for name in [name for name in episodes.column_names if name.startswith(f"videos/{CAMERA}/")]:
        episodes = episodes.append_column(name.replace(CAMERA, camera), episodes[name])
    pq.write_table(episodes, root / EPISODES)

    def declare(info):
        feature = json.loads(json.dumps(info["features"][CAMERA]))
        feature["shape"][-1] = 1
        feature["info"] |= {"video.is_depth_map": True, "video.pix_fmt": "gray12le", "video.codec": "hevc"}
        feature["info"] |= {"video.channels": 1}
        info["features"][camera] = feature

    edit_info(root, declare)


SO101 = [
    f"{name}.pos" for name in ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
]
ALOHA = [
    f"{side}_{name}"
    for side in ("left", "right")
    for name in ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
]


def another_arm(root, names, robot, *, form=list, scale=1.0, still=None):
    """Store another arm's joints, which move smoothly, and absolute targets: the joints a moment later."""
    undeclare(root)
    random = np.random.default_rng(0)
    table = pq.read_table(root / DATA)
    width = len(names)
    state = []
    for length in np.unique(np.array(table["episode_index"]), return_counts=True)[1]:
        time = np.linspace(0, 1, length)[:, None]
        speed, phase = random.uniform(0.4, 1.2, width), random.uniform(0, 6, width)
        state.append(scale * np.sin(2 * np.pi * speed * time + phase))
    values = np.concatenate(state).astype(np.float32)
    if still is not None:
        values[:, still] = 1.57 + random.normal(0, 2e-4, len(values))
    ends = np.cumsum([len(each) for each in state]) - 1
    later = np.minimum(np.arange(len(values)) + 1, ends[np.searchsorted(ends, np.arange(len(values)))])
    for column, rows in (("observation.state", values), ("action", values[later])):
        at = table.column_names.index(column)
        table = table.set_column(at, column, pa.array(rows.tolist(), pa.list_(pa.float32())))
    pq.write_table(table.replace_schema_metadata(None), root / DATA)

    def declare(info):
        info["robot_type"] = robot
        for column in ("observation.state", "action"):
            info["features"][column].update(shape=[width], names=form(names))

    edit_info(root, declare)
    episodes = pq.read_table(root / EPISODES)
    for column in ("observation.state", "action"):
        parts = np.split(np.array(table[column].to_pylist(), np.float64), ends[:-1] + 1)
        for name in [name for name in episodes.column_names if name.startswith(f"stats/{column}/")]:
            if (what := name.rpartition("/")[2]) == "count":
                continue
            made = [np.quantile(p, int(what[1:]) / 100, 0) if what[0] == "q" else getattr(p, what)(0) for p in parts]
            new = pa.array([each.tolist() for each in made], pa.list_(pa.float64()))
            episodes = episodes.set_column(episodes.column_names.index(name), name, new)
    pq.write_table(episodes, root / EPISODES)
    write_exact_stats(root)


@valid()
def so101_degrees(root):
    """LeRobot's own unit for this arm: no advice to change it."""
    another_arm(root, SO101, "so101_follower", scale=60.0)


@valid()
def names_nested_list(root):
    """As an older LeRobot wrote them."""
    another_arm(root, SO101, "so101_follower", form=lambda names: [names], scale=60.0)


@valid()
def bimanual_two_grippers(root):
    another_arm(root, ALOHA, "aloha", form=lambda names: {"motors": names})


@valid(warned={"MS405"}, fix="write the joint's resting value")
def noise_only_joint(root):
    another_arm(root, [f"joint_{i}" for i in range(7)], "r", still=4)


@valid(target=None)
def no_camera_and_no_instruction(root):
    """A joint recording: no policy that looks is meant, so the target is one that need not."""
    undeclare(root)
    shutil.rmtree(root / "videos")
    path = root / "meta/tasks.parquet"
    episodes = pq.read_table(root / EPISODES)
    kept = [name for name in episodes.column_names if "images" not in name]
    pq.write_table(episodes.select(kept), root / EPISODES)
    pd.DataFrame({"task_index": [0]}, index=pd.Index(["pick"], name="task")).to_parquet(path)
    edit_episodes(root, lambda rows: [row.update(tasks=["pick"]) for row in rows] and None)
    edit_info(root, lambda info: [info["features"].pop(n) for n in list(info["features"]) if "images" in n])


@valid(warned={"MS114"})
def episodes_say_another_task_than_the_table(root):
    edit_episodes(root, lambda rows: [row.update(tasks=["t"]) for row in rows] and None)


def made(given, folder):
    root = folder / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    given.apply(root)
    return root


def alike():
    """The faulty ones but the first of each set of codes; that one is validated whole in the suite."""
    seen = []
    return [given for given in CASES if given.failed and (given.failed in seen or seen.append(given.failed))]


ALIKE = alike()


@pytest.mark.parametrize("given", ALIKE, ids=lambda given: given.name)
def test_a_cause_is_named(given, tmp_path):
    report = validate(made(given, tmp_path), given.target, select=sorted(given.failed))
    assert report.codes("failed") == given.failed
    assert given.fix in report.with_status("failed")[0].fix


@pytest.mark.parametrize("given", some(CASES, lambda given: given not in ALIKE), ids=lambda given: given.name)
def test_verdict_and_cause(given, tmp_path):
    report = validate(made(given, tmp_path), given.target)
    assert not report.codes("error"), [result.reason for result in report.with_status("error")]
    assert report.codes("failed") == given.failed
    assert report.codes("warned") == given.warned
    assert all(given.fix in result.fix for result in report.with_status("failed", "warned")[:1])


def test_where_an_episodes_rows_are_is_said(tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    stale_file_index(root)
    (issue,) = validate(root, "lerobot_pi05", select=["MS110"]).results[0].issues
    assert (issue.episode, issue.feature) == (2, "data/file_index")
    assert issue.message == "the episode table names another file than the one that the rows are in"
    assert (issue.observed, issue.expected) == ("data/chunk-000/file-001.parquet", "data/chunk-000/file-002.parquet")


@pytest.mark.parametrize(
    ("make", "names", "delta"),
    [(names_nested_list, SO101, "5,-1"), (bimanual_two_grippers, ALOHA, "6,-1,6,-1")],
    ids=["nested", "bimanual"],
)
def test_names_and_grippers_of_other_arms_are_understood(tmp_path, mstool, capsys, make, names, delta):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    make(root)
    assert mstool("stats", root, "--dry-run", "--json", "--config", "pi05_libero") == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report["state"]["names"] == names
    assert f"mstool stats {root} --config pi05_libero --delta {delta} " in told.err


def test_the_joint_that_is_noise_is_named(tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    noise_only_joint(root)
    (issue,) = validate(root, "lerobot_pi05", select=["MS405"]).results[0].issues
    assert (issue.feature, issue.dimension, issue.severity) == ("observation.state", 4, "warning")
    assert issue.message == "joint_4 stands still but for noise, which normalisation blows up to the whole range"


def test_the_task_tables_fix_mends_it(tmp_path):
    import shlex
    import subprocess
    import sys

    root = tmp_path / "data set"
    shutil.copytree(GOLDEN / "libero", root)
    tasks_without_index(root)
    fix = next(result.fix for result in validate(root, "lerobot_pi05").with_status("failed"))
    words = shlex.split(fix)
    subprocess.run([sys.executable, *words[1:]], check=True)
    assert validate(root, "lerobot_pi05").valid


def test_a_dataset_of_v21_says_how_many_episodes_a_folder_has(tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    episode = "chunk-{episode_chunk:03d}/episode_{episode_index:06d}"
    paths = {"data_path": f"data/{episode}.parquet", "video_path": f"videos/{{video_key}}/{episode}.mp4"}
    edit_info(root, lambda info: (info.update(codebase_version="v2.1", **paths), info.pop("chunks_size")))
    found = validate(root, "pi05_libero", select=["MS103"])
    assert [issue.feature for issue in found.results[0].issues] == ["chunks_size"]
    assert '"chunks_size": 1000' in found.results[0].fix


@pytest.mark.parametrize("kept", ["statistics of episodes", "none"])
def test_stats_fills_in_statistics_of_images(tmp_path, kept):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    before = json.loads((root / "meta/stats.json").read_text())
    if kept == "none":
        episodes = pq.read_table(root / EPISODES)
        names = [name for name in episodes.column_names if not name.startswith(f"stats/{CAMERA}")]
        pq.write_table(episodes.select(names), root / EPISODES)
    no_image_stats(root)
    write_exact_stats(root)
    after = json.loads((root / "meta/stats.json").read_text())
    assert set(after) == set(before)
    for name in ("min", "max", "mean", "std"):
        # A sample of 32 images does not see every extreme pixel.
        off = np.abs(np.array(after[CAMERA][name]) - np.array(before[CAMERA][name]))
        assert off.shape == (3, 1, 1)
        assert off.max() < (1e-6 if kept != "none" else 0.02 if name in {"mean", "std"} else 0.2), name
    assert not validate(root, "lerobot", select=["MS607"]).codes("failed")
