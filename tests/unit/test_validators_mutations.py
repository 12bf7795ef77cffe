"""Ways to break a good dataset: each is caught by the check meant for it, and by no unrelated one."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.edited import (
    BASE,
    DATA,
    EPISODES,
    GOLDEN,
    WRIST,
    edit_episodes,
    edit_info,
    edit_rows,
    edit_table,
    edit_video,
    truncate,
    undeclare,
)
from support.proofs import some

from mstool.validators import validate


@dataclass(frozen=True)
class Mutation:
    name: str
    # Codes of the checks meant for it: all must fail or warn, and no other.
    caught: set[str]
    apply: Callable[[Path], None]
    # Checks that the same mistake must also trouble, because it breaks what they look at too.
    also: set[str]
    target: str = "maniskill"
    base: str = "libero"


MUTATIONS: list[Mutation] = []


def mutation(*caught, also=(), target="maniskill", base="libero"):
    def add(function):
        name = function.__name__.strip("_")
        MUTATIONS.append(Mutation(name, set(caught), function, set(also), target, base))
        return function

    return add


# Structure


@mutation("MS101")
def info_is_no_json(root):
    truncate(root / "meta/info.json")


@mutation("MS102", also={"MS701"})
def unknown_version(root):
    edit_info(root, lambda info: info.update(codebase_version="v4.2"))


@mutation("MS103")
def data_files_size_zero(root):
    edit_info(root, lambda info: info.update(data_files_size_in_mb=0))


@mutation("MS103")
def chunks_size_negative(root):
    edit_info(root, lambda info: info.update(chunks_size=-1))


@mutation("MS103")
def fps_is_text(root):
    edit_info(root, lambda info: info.update(fps="20 Hz"))


@mutation("MS103")
def split_leaves_episodes(root):
    edit_info(root, lambda info: info.update(splits={"train": "0:99"}))


@mutation("MS104")
def feature_without_dtype(root):
    edit_info(root, lambda info: info["features"]["timestamp"].pop("dtype"))


@mutation("MS104")
def picture_axes_unnamed(root):
    edit_info(root, lambda info: info["features"]["observation.images.image"].update(names=None))


@mutation("MS105")
def data_file_missing(root):
    (root / DATA).unlink()


@mutation("MS105")
def video_missing(root):
    (root / WRIST).unlink()


@mutation("MS106")
def data_file_truncated(root):
    truncate(root / DATA)


@mutation("MS107")
def column_missing(root):
    edit_table(root / DATA, lambda columns: columns.pop("task_index"))


@mutation("MS107", also={"MS401", "MS403"})
def state_wider_than_data(root):
    edit_info(root, lambda info: info["features"]["observation.state"].update(shape=[9]))


@mutation("MS108")
def total_frames_wrong(root):
    edit_info(root, lambda info: info.update(total_frames=info["total_frames"] + 1))


@mutation("MS108")
def total_tasks_wrong(root):
    edit_info(root, lambda info: info.update(total_tasks=7))


@mutation("MS110")
def episode_table_shuffled(root):
    edit_episodes(root, lambda rows: [rows[1], rows[0], *rows[2:]])


@mutation("MS110", also={"MS112", "MS204", "MS302", "MS803"})
def episode_length_wrong(root):
    edit_episodes(root, lambda rows: rows[1].update(length=rows[1]["length"] - 3))


@mutation("MS110")
def row_range_wrong(root):
    edit_episodes(root, lambda rows: rows[2].update(dataset_from_index=0))


@mutation("MS111")
def index_restarts(root):
    edit_rows(root, lambda c: c["index"].__isub__(c["frame_index"].max()))


@mutation("MS111")
def frame_index_from_one(root):
    edit_rows(root, lambda c: c["frame_index"].__iadd__(1))


@mutation("MS113", also={"MS114"})
def task_table_from_one(root):
    path = root / "meta/tasks.parquet"
    table = pd.read_parquet(path)
    table["task_index"] += 1
    table.to_parquet(path)


@mutation("MS114")
def task_index_wrong(root):
    edit_rows(root, lambda c: c["task_index"].__iadd__(3))


@mutation("MS114")
def episode_tasks_wrong(root):
    edit_episodes(root, lambda rows: rows[0].update(tasks=["something else entirely"]))


@mutation("MS113")
def task_table_truncated(root):
    truncate(root / "meta/tasks.parquet")


@mutation("MS110")
def episode_table_truncated(root):
    truncate(root / EPISODES)


@mutation("MS803")
def episode_log_truncated(root):
    truncate(root / "meta/mstool/episodes.jsonl", 0.9)


@mutation("MS605", "MS705", target="lerobot_pi05")
def stats_truncated(root):
    truncate(root / "meta/stats.json")


@mutation("MS115")
def video_settings_are_texts(root):
    """As our own datasets had them up to version 0.1.1."""
    edit_info(
        root,
        lambda info: [f["info"].update({"video.g": "2"}) for f in info["features"].values() if f["dtype"] == "video"],
    )


@mutation("MS318")
def another_pixel_format_is_declared(root):
    """A video that was encoded anew beside its description."""
    edit_info(
        root,
        lambda info: [
            f["info"].update({"video.pix_fmt": "yuv420p"}) for f in info["features"].values() if f["dtype"] == "video"
        ],
    )


@mutation("MS116")
def sentences_are_a_column(root):
    path = root / "meta/tasks.parquet"
    pd.read_parquet(path).reset_index().to_parquet(path)


# Timing


@mutation("MS202", also={"MS201", "MS204", "MS205"})
def fps_of_lerobot_default(root):
    edit_info(root, lambda info: info.update(fps=30))


@mutation("MS202")
def consistent_but_wrong_fps(root):
    """Everything says 10, only the recorded controller knows better."""
    edit_rows(root, lambda c: c.update(timestamp=c["timestamp"] * 2))
    edit_info(root, lambda info: info.update(fps=10))
    edit_info(
        root, lambda info: [f["info"].update({"video.fps": 10}) for f in info["features"].values() if "info" in f]
    )

    def double(rows):
        for row in rows:
            for name in list(row):
                if name.endswith("_timestamp"):
                    row[name] *= 2

    edit_episodes(root, double)
    for path in (BASE, WRIST):
        edit_video(root / path, lambda frames: frames, rate=10)


@mutation("MS201")
def timestamps_drift(root):
    edit_rows(root, lambda c: c.update(timestamp=c["timestamp"] * 1.01))


@mutation("MS203")
def longer_than_horizon(root):
    edit_info(root, lambda info: info["mstool"].update(horizon={"PickCube-v1": 50}))


@mutation("MS204", also={"MS316", "MS311"})
def video_span_of_another_episode(root):
    def swap(rows):
        key = "videos/observation.images.image/{}_timestamp"
        for edge in ("from", "to"):
            a, b = key.format(edge), key.format(edge)
            rows[0][a], rows[3][b] = rows[3][b], rows[0][a]

    edit_episodes(root, swap)


@mutation("MS206")
def spans_as_measured(root):
    """Seconds by a clock, 3 ms too long for every episode."""

    def drift(rows):
        for row in rows:
            for key in [key for key in row if key.endswith("_timestamp")]:
                row[key] += 0.003 * (row["episode_index"] + key.endswith("to_timestamp"))

    edit_episodes(root, drift)


# Video


@mutation("MS301")
def video_truncated(root):
    truncate(root / WRIST)


@mutation("MS302")
def video_too_short(root):
    edit_video(root / WRIST, lambda frames: frames[:-5])


@mutation("MS303", also={"MS802"})
def declared_size_is_default(root):
    edit_info(root, lambda info: info["features"]["observation.images.image"].update(shape=[480, 640, 3]))


@mutation("MS304")
def black_wrist(root):
    edit_video(root / WRIST, lambda frames: [np.zeros_like(f) for f in frames])


@mutation("MS305")
def frozen_base(root):
    edit_video(root / BASE, lambda frames: [frames[0]] * len(frames))


@mutation("MS306", also={"MS315", "MS307"})
def identical_cameras(root):
    shutil.copyfile(root / BASE, root / WRIST)


@mutation("MS307", also={"MS315"})
def swapped_cameras(root):
    aside = root / "aside.mp4"
    (root / BASE).rename(aside)
    (root / WRIST).rename(root / BASE)
    aside.rename(root / WRIST)


@mutation("MS308")
def bgr(root):
    edit_video(root / BASE, lambda frames: [f[..., ::-1] for f in frames])


@mutation("MS308", base="joint")
def bgr_without_metadata(root):
    """Nothing is stored to compare with: the instruction's red cube is not there."""
    undeclare(root)
    edit_video(root / BASE, lambda frames: [f[..., ::-1] for f in frames])
    table = pq.read_table(root / EPISODES)
    pq.write_table(table.select([n for n in table.column_names if not n.startswith("stats/")]), root / EPISODES)


@mutation("MS309")
def blown_up(root):
    edit_video(root / BASE, lambda frames: [_blow_up(f) for f in frames])


def _blow_up(frame):
    from PIL import Image

    small = Image.fromarray(frame).resize((frame.shape[1] // 3, frame.shape[0] // 3), Image.Resampling.BOX)
    return np.asarray(small.resize(frame.shape[1::-1], Image.Resampling.BICUBIC))


@mutation("MS310")
def turned_upside_down(root):
    edit_video(root / BASE, lambda frames: [f[::-1, ::-1] for f in frames])


@mutation("MS310")
def flipped_upside_down(root):
    edit_video(root / BASE, lambda frames: [f[::-1] for f in frames])


@mutation("MS310")
def mirrored(root):
    edit_video(root / BASE, lambda frames: [f[:, ::-1] for f in frames])


@mutation("MS311")
def pictures_late(root):
    edit_video(root / BASE, lambda frames: [frames[0]] * 4 + frames[:-4])


# State and actions


@mutation("MS402")
def one_nan(root):
    edit_table(root / DATA, lambda c: c["observation.state"].__setitem__((40, 2), np.nan))


@mutation("MS403")
def names_of_another_layout(root):
    names = ["qw", "qx", "qy", "qz", "x", "y", "z", "finger"]
    edit_info(root, lambda info: info["features"]["observation.state"].update(names=names))


@mutation("MS404", also={"MS511", "MS409", "MS503"})
def rotation_in_degrees(root):
    edit_rows(root, lambda c: c["observation.state"][:, 3:6].__imul__(57.29578))


@mutation("MS404", also={"MS316", "MS511", "MS512", "MS503"})
def position_in_millimetres(root):
    edit_rows(root, lambda c: c["observation.state"][:, :3].__imul__(1000))


@mutation("MS405", also={"MS415"})
def fingers_filled_with_zeros(root):
    edit_rows(root, lambda c: c["observation.state"][:, 6:].__imul__(0))


@mutation("MS406", also={"MS315", "MS415", "MS209", "MS311"})
def idle(root):
    def still(c):
        for episode in range(4):
            rows = np.flatnonzero(c["episode_index"] == episode)
            stop = rows[int(len(rows) * 0.4)]
            c["observation.state"][rows[rows > stop]] = c["observation.state"][stop]
            c["action"][rows[rows > stop], :6] = 0

    edit_rows(root, still)


@mutation("MS407", base="tcp")
def quaternion_sign_flips(root):
    edit_rows(root, lambda c: c["observation.state"][50:60, 3:7].__imul__(-1))


@mutation("MS407", base="tcp")
def quaternion_not_normalised(root):
    edit_rows(root, lambda c: c["observation.state"][:, 3:7].__imul__(1.2))


@mutation("MS408", also={"MS317"}, base="tcp")
def quaternion_xyzw(root):
    def reorder(c):
        c["observation.state"][:, 3:7] = c["observation.state"][:, [4, 5, 6, 3]]

    edit_rows(root, reorder)


@mutation("MS409")
def axis_angle_flips(root):
    def flip(c):
        turn = c["observation.state"][::2, 3:6]
        angle = np.linalg.norm(turn, axis=1, keepdims=True)
        c["observation.state"][::2, 3:6] = turn * (1 - 2 * np.pi / angle)

    edit_rows(root, flip)


@mutation("MS410", base="droid", also={"MS506"})
def joints_reversed(root):
    def reverse(c):
        c["observation.state"][:, :7] = c["observation.state"][:, 6::-1]
        c["action"][:, :7] = c["action"][:, 6::-1]

    edit_rows(root, reverse)


@mutation("MS411")
def right_finger_positive(root):
    edit_rows(root, lambda c: c["observation.state"][:, 7].__imul__(-1))


@mutation("MS412")
def gripper_zero_to_one(root):
    edit_rows(root, lambda c: c["action"].__setitem__((slice(None), 6), (c["action"][:, 6] + 1) / 2))


@mutation("MS412", base="droid")
def droid_gripper_minus_one_to_one(root):
    edit_rows(root, lambda c: c["action"].__setitem__((slice(None), 7), c["action"][:, 7] * 2 - 1))


# Meaning


@mutation("MS501")
def gripper_flipped(root):
    edit_rows(root, lambda c: c["action"][:, 6].__imul__(-1))


@mutation("MS501", base="droid")
def droid_gripper_flipped(root):
    edit_rows(root, lambda c: c["action"].__setitem__((slice(None), 7), 1 - c["action"][:, 7]))


@mutation("MS502")
def one_axis_negated(root):
    edit_rows(root, lambda c: c["action"][:, 1].__imul__(-1))


@mutation("MS503", also={"MS512"})
def position_in_maniskill_units(root):
    edit_rows(root, lambda c: c["action"][:, :3].__imul__(0.5))


@mutation("MS503")
def rotation_five_times_too_large(root):
    edit_rows(root, lambda c: c["action"][:, 3:6].__imul__(0.2))


@mutation("MS503", also={"MS512"}, base="droid")
def velocity_per_step_of_another_rate(root):
    edit_rows(root, lambda c: c["action"][:, :7].__imul__(2.0))


@mutation("MS504")
def rotation_negated(root):
    edit_rows(root, lambda c: c["action"][:, 3:6].__imul__(-1))


@mutation("MS505")
def actions_one_late(root):
    edit_rows(root, lambda c: _shift_actions(c, 1))


@mutation("MS505")
def actions_two_early(root):
    edit_rows(root, lambda c: _shift_actions(c, -2))


@mutation("MS505", base="droid")
def droid_actions_one_early(root):
    edit_rows(root, lambda c: _shift_actions(c, -1))


def _shift_actions(c, by):
    for episode in np.unique(c["episode_index"]):
        rows = np.flatnonzero(c["episode_index"] == episode)
        source = np.clip(np.arange(len(rows)) - by, 0, len(rows) - 1)
        c["action"][rows] = c["action"][rows][source]


@mutation("MS506")
def joints_where_eef_is_expected(root):
    other = pq.read_table(GOLDEN / "joint" / DATA).to_pandas()
    edit_rows(root, lambda c: c.update({"observation.state": np.stack(other["observation.state"]).astype(np.float32)}))


@mutation("MS507", also={"MS510", "MS512", "MS502", "MS503", "MS505"})
def absolute_where_delta_is_expected(root):
    def absolute(c):
        c["action"][:-1, :6] = c["observation.state"][1:, :6]

    edit_rows(root, absolute)


@mutation("MS509")
def one_episode_has_anothers_actions(root):
    def swap(c):
        rows = [np.flatnonzero(c["episode_index"] == episode) for episode in (0, 1)]
        a, b = (c["action"][r].copy() for r in rows)
        c["action"][rows[0]], c["action"][rows[1]] = b, a

    edit_rows(root, swap)


@mutation("MS508")
def goal_hidden(root):
    """The green sphere is painted over."""

    def hide(frames):
        out = []
        for frame in frames:
            r, g, b = (frame[..., i].astype(int) for i in range(3))
            green = (g > r + 20) & (g > b + 20)
            wide = green.copy()
            for axis in (0, 1):
                for by in (-1, 1):
                    wide |= np.roll(green, by, axis)
            out.append(np.where(wide[..., None], np.median(frame[~wide], axis=0).astype(np.uint8), frame))
        return out

    for path in (BASE, WRIST):
        edit_video(root / path, hide)


# Statistics


@mutation("MS605")
def stats_stale(root):
    path = root / "meta/stats.json"
    stats = json.loads(path.read_text())
    stats["action"]["q99"][2] *= 1.5
    path.write_text(json.dumps(stats))


@mutation("MS606")
def episode_stats_of_another(root):
    def swap(rows):
        for name in ("stats/action/mean", "stats/action/min"):
            rows[0][name], rows[1][name] = rows[1][name], rows[0][name]

    edit_episodes(root, swap)


@mutation("MS606")
def image_stats_in_bytes(root):
    def scale(rows):
        for row in rows:
            key = "stats/observation.images.image/max"
            row[key] = (np.array(row[key]) * 255).tolist()

    edit_episodes(root, scale)


@mutation("MS607")
def image_stats_missing(root):
    path = root / "meta/stats.json"
    stats = json.loads(path.read_text())
    del stats["observation.images.image2"]
    path.write_text(json.dumps(stats))


@mutation("MS705", target="lerobot_pi05")
def no_quantiles(root):
    path = root / "meta/stats.json"
    stats = json.loads(path.read_text())
    for column in ("observation.state", "action"):
        del stats[column]["q01"]
        del stats[column]["q99"]
    path.write_text(json.dumps(stats))


@mutation("MS705", target="lerobot_pi05")
def no_stats_file(root):
    (root / "meta/stats.json").unlink()


# Contract


def _task(root, text):
    pd.DataFrame({"task_index": [0]}, index=pd.Index([text], name="task")).to_parquet(root / "meta/tasks.parquet")
    edit_episodes(root, lambda rows: [row.update(tasks=[text]) for row in rows] and None)


@mutation("MS704")
def task_is_env_id(root):
    _task(root, "PickCube-v1")


@mutation("MS704")
def task_is_placeholder(root):
    _task(root, "TODO")


@mutation("MS706", target="lerobot_pi05")
def task_too_long(root):
    _task(root, "pick up the red cube and move it to the green sphere " * 15)


@mutation("MS703", also={"MS607"}, target="lerobot_pi05")
def camera_named_otherwise(root):
    old = "observation.images.image"
    edit_info(root, lambda info: info["features"].update(camera=info["features"].pop(old)))
    table = pq.read_table(root / EPISODES)
    names = [name.replace(f"/{old}/", "/camera/") for name in table.column_names]
    pq.write_table(table.rename_columns(names), root / EPISODES)
    (root / "videos" / old).rename(root / "videos/camera")


# Provenance


@mutation("MS801")
def layout_unknown(root):
    edit_info(root, lambda info: info["mstool"].update(layout="bridge"))


@mutation("MS801")
def conventions_edited(root):
    edit_info(root, lambda info: info["mstool"]["conventions"].update(gripper_action="+1 open"))


@mutation("MS802")
def views_of_other_cameras(root):
    edit_info(root, lambda info: info["mstool"]["views"].popitem())


@mutation("MS803")
def log_of_other_episodes(root):
    path = root / "meta/mstool/episodes.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@mutation("MS803")
def log_of_another_task(root):
    path = root / "meta/mstool/episodes.jsonl"
    path.write_text(path.read_text().replace('"PickCube-v1"', '"PushCube-v1"'))


@mutation("MS108", "MS110")
def no_rows(root):
    table = pq.read_table(root / DATA)
    pq.write_table(table.slice(0, 0), root / DATA)


@mutation("MS805")
def histograms_are_garbage(root):
    (root / "meta/mstool/image_histograms.npz").write_bytes(b"garbage" * 50)


def mutated(case, folder):
    root = folder / "dataset"
    shutil.copytree(GOLDEN / case.base, root)
    case.apply(root)
    return root


def alike():
    """All but the first of ten neighbouring codes, and those that trip more checks: these are validated whole."""
    seen = set()
    return [case for case in MUTATIONS if not case.also and (tens(case) in seen or seen.add(tens(case)))]


def tens(case):
    return min(case.caught)[:4]


ALIKE = alike()


@pytest.mark.parametrize("case", ALIKE, ids=lambda case: case.name)
def test_a_mutation_is_caught_by_the_check_meant_for_it(case, tmp_path):
    report = validate(mutated(case, tmp_path), case.target, select=sorted(case.caught))
    assert report.codes("failed", "warned") == case.caught


@pytest.mark.parametrize("case", some(MUTATIONS, lambda case: case not in ALIKE), ids=lambda case: case.name)
def test_a_mutation_is_caught_by_no_unrelated_check(case, tmp_path):
    report = validate(mutated(case, tmp_path), case.target)
    found = report.codes("failed", "warned", "error")
    assert not report.codes("error"), [result.reason for result in report.with_status("error")]
    assert case.caught <= found, f"missed; found {found}"
    expected = case.caught | case.also
    assert found <= expected, f"unrelated: {found - expected}"


def test_there_are_enough_and_each_has_its_name():
    assert len(MUTATIONS) >= 40
    assert len({case.name for case in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("libero", "maniskill"),
        ("libero", "lerobot_pi05"),
        ("droid", "maniskill"),
        ("droid", "lerobot_pi05"),
        ("joint", "maniskill"),
        ("joint", "lerobot_pi05"),
        ("tcp", "maniskill"),
        ("tcp", "lerobot_pi05"),
    ],
)
def test_untouched_dataset_is_clean(name, target):
    report = validate(GOLDEN / name, target)
    assert report.codes("failed", "warned", "error") == set(), report.headline()
    assert len(report.with_status("passed")) > 50


@pytest.mark.parametrize(
    ("name", "target", "codes"),
    [
        ("libero", "pi05_libero", {"MS701", "MS702"}),
        ("droid", "pi05_libero", {"MS701", "MS702", "MS707", "MS401"}),
        ("libero", "pi05_droid", {"MS701", "MS702", "MS703", "MS707", "MS401"}),
    ],
)
def test_dataset_of_another_kind_is_told_apart(name, target, codes):
    assert validate(GOLDEN / name, target).codes("failed", "warned", "error") - {"MS603"} == codes


def as_maniskill_writes(root):
    """Leave a dataset in the way of mani_skill 3.0.1's convert_to_lerobot: fps 30, id for a task, no sizes, bars."""
    undeclare(root)
    goal_hidden(root)
    task_is_env_id(root)
    shutil.rmtree(root / "videos/observation.images.image2")

    def info(info):
        info["features"].pop("observation.images.image2")
        info.update(fps=30, data_files_size_in_mb=0, robot_type="pickcube")
        info["features"]["observation.state"]["names"] = [f"joint_{i}" for i in range(8)]
        info["features"]["action"]["names"] = [f"action_{i}" for i in range(7)]
        video = info["features"]["observation.images.image"]
        video["shape"] = [240, 320, 3]
        video["info"] = {"video.fps": 30.0, "video.height": 240, "video.width": 320}

    edit_info(root, info)
    edit_video(root / BASE, lambda frames: [_letterbox(f) for f in frames], rate=30)
    edit_rows(root, lambda c: c.update(timestamp=c["timestamp"] * 20 / 30))

    def spans(rows):
        for row in rows:
            key = "videos/observation.images.image/{}_timestamp"
            row[key.format("from")] *= 20 / 30
            # The last frame's time where the end is meant: no reader minds.
            row[key.format("to")] = row[key.format("to")] * 20 / 30 - 1 / 30

    edit_episodes(root, spans)
    stats = json.loads((root / "meta/stats.json").read_text())
    for entry in stats.values():
        for name in ("q01", "q10", "q50", "q90", "q99"):
            entry.pop(name, None)
    (root / "meta/stats.json").write_text(json.dumps(stats))


def _letterbox(frame):
    from PIL import Image

    out = np.zeros((240, 320, 3), np.uint8)
    out[:, 40:280] = np.asarray(Image.fromarray(frame).resize((240, 240), Image.Resampling.BILINEAR))
    return out


REPORTS = GOLDEN.parent / "validate"


@pytest.mark.parametrize(
    ("target", "codes"),
    [
        ("maniskill", {"MS103", "MS202", "MS309", "MS508", "MS704"}),
        ("lerobot_pi05", {"MS103", "MS309", "MS508", "MS704", "MS705"}),
    ],
)
def test_dataset_in_the_way_of_maniskills_own_converter(tmp_path, target, codes):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "joint", root)
    as_maniskill_writes(root)
    report = validate(root, target)
    assert report.codes("failed", "warned", "error") == codes


@pytest.mark.parametrize("name", ["gripper_flipped", "position_in_maniskill_units", "video_truncated", "untouched"])
def test_golden_report(tmp_path, name):
    """The whole report of a few datasets: run with MSTOOL_GOLDEN=write to write them again, and read the change."""
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    for case in MUTATIONS:
        if case.name == name:
            case.apply(root)
    report = validate(root, "lerobot_pi05")
    text = json.dumps(_rounded(report.to_json()), indent=1, ensure_ascii=False).replace(str(root), "DATASET") + "\n"
    path = REPORTS / f"{name}.json"
    if os.environ.get("MSTOOL_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def _rounded(value):
    """Numbers inside texts differ in their last digits between machines: keep two."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    if isinstance(value, str):
        return re.sub(r"-?\d+\.\d+", lambda match: f"{float(match.group()):.1f}", value)
    return value
