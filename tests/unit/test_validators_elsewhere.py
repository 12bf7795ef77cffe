"""What is usual in datasets of LeRobot's own tools and other robots, and no fault."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.edited import DATA, EPISODES, GOLDEN, edit_episodes, edit_info, edit_rows, undeclare

from mstool.dataset.files import STATS_FILE
from mstool.validators import validate

NAMES = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper", "extra", "more"]


def numbers_of_degrees(root):
    """SO-100 and SO-101 arms as LeRobot records them: degrees, or a range of -100 to 100, named `.pos`."""
    edit_rows(root, lambda c: (c["observation.state"].__imul__(30), c["action"].__imul__(30)))

    def name(info):
        for column, width in (("observation.state", 8), ("action", 7)):
            info["features"][column]["names"] = [f"{name}.pos" for name in NAMES[:width]]

    edit_info(root, name)


def names_in_a_list_of_lists(root):
    edit_info(root, lambda info: info["features"]["action"].update(names=[info["features"]["action"]["names"]]))


def names_below_motors(root):
    edit_info(root, lambda info: info["features"]["action"].update(names={"motors": [f"m{i}" for i in range(7)]}))


def sizes_that_are_no_whole_numbers(root):
    edit_info(root, lambda info: info.update(data_files_size_in_mb=0.5, video_files_size_in_mb=0.25))


def spans_that_end_with_the_last_frames_time(root):
    def shorten(rows):
        for row in rows:
            for key in [key for key in row if key.endswith("/to_timestamp")]:
                row[key] -= 1 / 20

    edit_episodes(root, shorten)


def a_dimension_that_is_always_zero(root):
    edit_rows(root, lambda c: (c["observation.state"][:, 7].__imul__(0), c["action"][:, 3].__imul__(0)))


def a_hand_camera_by_name_that_sees_little_move(root):
    def rename(info):
        features = info["features"]
        features["observation.images.wrist"] = features.pop("observation.images.image")
        features.pop("observation.images.image2")

    edit_info(root, rename)
    shutil.rmtree(root / "videos/observation.images.image2")
    (root / "videos/observation.images.image").rename(root / "videos/observation.images.wrist")
    table = pq.read_table(root / EPISODES)
    kept = [name for name in table.column_names if "image2" not in name]
    renamed = [name.replace("images.image/", "images.wrist/") for name in kept]
    pq.write_table(table.select(kept).rename_columns(renamed), root / EPISODES)
    stats = json.loads((root / STATS_FILE).read_text())
    stats.pop("observation.images.image2")
    stats["observation.images.wrist"] = stats.pop("observation.images.image")
    (root / STATS_FILE).write_text(json.dumps(stats))


def averaged_quantiles(root):
    """As LeRobot aggregates them, weighted by the episodes' lengths."""
    rows = pq.read_table(root / DATA, columns=["episode_index", "action"]).to_pandas()
    parts = [np.stack(part["action"]).astype(float) for _, part in rows.groupby("episode_index")]
    each = {name: [np.quantile(part, q, axis=0) for part in parts] for name, q in (("q01", 0.01), ("q99", 0.99))}
    table = pq.read_table(root / EPISODES)
    for name, values in each.items():
        if f"stats/action/{name}" in table.column_names:
            table = table.drop_columns([f"stats/action/{name}"])
        table = table.append_column(f"stats/action/{name}", [[value.tolist() for value in values]])
    pq.write_table(table, root / EPISODES)
    path = root / "meta/stats.json"
    stats = json.loads(path.read_text())
    for name, values in each.items():
        stats["action"][name] = np.average(values, axis=0, weights=[len(part) for part in parts]).tolist()
    path.write_text(json.dumps(stats))


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        (lambda root: None, set()),
        (numbers_of_degrees, set()),
        (names_in_a_list_of_lists, set()),
        (names_below_motors, set()),
        (sizes_that_are_no_whole_numbers, set()),
        (spans_that_end_with_the_last_frames_time, set()),
        (a_dimension_that_is_always_zero, {"MS405"}),
        (a_hand_camera_by_name_that_sees_little_move, set()),
        (averaged_quantiles, {"MS605"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("base", ["libero", "tcp"])
def test_what_is_usual_elsewhere_is_valid(tmp_path, base, change, warned):
    root = Path(shutil.copytree(GOLDEN / base, tmp_path / "dataset"))
    undeclare(root)
    change(root)
    report = validate(root)
    found = {r.code: r.issues[0].message for r in report.with_status("failed", "error") if r.issues}
    assert report.valid, found
    if change is a_dimension_that_is_always_zero and base == "tcp":  # the one that shows the fingers
        warned = {*warned, "MS415"}
    if change is averaged_quantiles:  # which LeRobot writes into every dataset: only who reads them is warned
        assert "MS605" not in validate(root, "lerobot").codes("warned", "failed")
    # Its goal is PickCube's by the instruction, and drawn.
    assert report.codes("warned") == warned
