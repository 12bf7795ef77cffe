"""`validate` on datasets whose record is lost, or was never there: it tells what it knows, and advises nothing else."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.converted import copied
from support.lerobot_tools import convert_v21, edit
from support.records import drop_record

from mstool.norm_stats.output import write_exact_stats
from mstool.validators import validate

MEANING = {f"MS{code}" for code in (404, 412, 501, 502, 503, 504, 505, 506, 507, 509)}


def result(report, code):
    return next(r for r in report.results if r.code == code)


def notes(report, code):
    return " ".join(note.text for note in result(report, code).notes)


def change_actions(root, change):
    """Change the actions (N, D) of a dataset in place, and its statistics with them, but those of its episodes."""
    for path in (root / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        name = next(name for name in ("action", "actions") if name in table.column_names)
        actions = np.stack(table[name].to_pylist()).astype(np.float32)
        change(actions)
        column = pa.array(actions.tolist(), table.schema.field(name).type)
        pq.write_table(table.set_column(table.column_names.index(name), name, column), path)
    write_exact_stats(root)


def flip_gripper(actions):
    actions[:, 6] *= -1


def turn_the_other_way(actions):
    actions[:, 3:6] *= -1


def recorded(source, root, *, names, change=lambda actions: None, video=True):
    """Record the rows and pictures of a dataset of ours with LeRobot's own writer, as somebody else would."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    ours = LeRobotDataset("local/ours", root=source, video_backend="pyav")
    actions = np.stack(ours.hf_dataset["action"]).astype(np.float32)
    change(actions)
    shape = tuple(ours.meta.features["observation.images.image"]["shape"])
    picture = {"dtype": "video" if video else "image", "shape": shape, "names": ["height", "width", "channels"]}
    features = {
        "observation.images.front": picture,
        "observation.state": {"dtype": "float32", "shape": (8,), "names": names and [f"state_{i}" for i in range(8)]},
        "action": {"dtype": "float32", "shape": (7,), "names": names and [f"action_{i}" for i in range(7)]},
    }
    episode = list(ours.hf_dataset["episode_index"])
    theirs = LeRobotDataset.create("local/theirs", 20, features, root=root, use_videos=video, robot_type="panda")
    for i in range(len(ours)):
        item = ours[i]
        frame = {
            "observation.images.front": (item["observation.images.image"].permute(1, 2, 0).numpy() * 255).astype(
                np.uint8
            ),
            "observation.state": item["observation.state"].numpy(),
            "action": actions[i],
            "task": item["task"],
        }
        theirs.add_frame(frame)
        if i + 1 == len(ours) or episode[i + 1] != episode[i]:
            theirs.save_episode()
    theirs.finalize()
    return root


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        ("delete_episodes", "episode_indices=[0]"),
        ("split", 'splits={"part": [0, 1]}'),
        ("remove_feature", "feature_names=[observation.images.image2]"),
    ],
)
def test_after_lerobots_edit_the_loss_is_named_and_nothing_else(made, tmp_path, mstool, operation, word):
    original, edited = made("stack"), tmp_path / "edited"
    edit(operation, word, source=original, out=edited)
    # LeRobot writes a split's parts below the new root.
    root = edited / "part" if operation == "split" else edited
    report = validate(root)
    assert report.codes("failed", "error") == set(), report.headline()
    assert report.codes("warned") <= {"MS605", "MS804"}
    assert result(report, "MS804").status == "warned"
    assert result(report, "MS804").fix == f"mstool describe {root} --from ORIGINAL"
    assert "meaning by the names" in notes(report, "MS501")
    assert mstool("describe", root, "--from", original) == 0
    assert validate(root).codes("failed", "error", "warned") <= {"MS605"}


def test_after_lerobots_conversion_of_v21_the_original_is_asked_for(made, tmp_path):
    root = copied(made("pickcube") / "v2.1", tmp_path / "converted")
    convert_v21(root)
    report = validate(root)
    assert report.target == "lerobot_pi05"
    assert report.codes("failed", "error") == {"MS702", "MS703"}
    assert report.codes("warned") <= {"MS605", "MS804"}
    assert result(report, "MS702").fix.startswith(f"mstool export ORIGINAL --format v3.0 --output {root}-v3.0")


def test_a_flipped_gripper_is_held_against_a_record_and_told_without(made, tmp_path):
    root = copied(made("stack"), tmp_path / "dataset")
    change_actions(root, flip_gripper)
    report = validate(root)
    assert report.codes("failed", "warned") - {"MS606"} == {"MS501"}
    assert "-1 should open by the record" in result(report, "MS501").issues[0].message
    assert "write the command in the expected sense" in result(report, "MS501").fix

    drop_record(root)
    report = validate(root)
    assert report.codes("failed", "error") - {"MS606"} == set()
    assert report.codes("warned") == {"MS501", "MS804"}
    assert result(report, "MS501").fix == f"mstool describe {root} --from ORIGINAL"


@pytest.mark.parametrize("names", [True, None])
def test_libero_conventions_that_nobody_declares_are_inferred(made, tmp_path, names):
    root = recorded(made("stack"), tmp_path / "theirs", names=names)
    report = validate(root)
    assert report.codes("failed", "error") == set(), report.headline()
    assert not report.codes("warned") & MEANING
    assert "open at -1 and close at +1" in notes(report, "MS501")
    assert "as LIBERO does (by chance 0.0" in notes(report, "MS501")
    assert "as LIBERO's unit of 0.05 m would" in notes(report, "MS503")
    assert result(report, "MS504").status in {"passed", "skipped"}
    assert result(report, "MS804").status == "skipped"
    assert "mstool describe" in result(report, "MS412").reason


def test_other_conventions_that_nobody_declares_are_no_fault(made, tmp_path):
    def of_maniskill(actions):
        flip_gripper(actions)
        actions[:, :3] *= 0.5
        actions[:, 3:6] *= -5

    report = validate(recorded(made("stack"), tmp_path / "theirs", names=True, change=of_maniskill, video=False))
    assert report.codes("failed", "error") == set(), report.headline()
    assert not report.codes("warned") & MEANING
    assert "open at +1 and close at -1" in notes(report, "MS501")
    assert "as ManiSkill's unit of 0.1 m would" in notes(report, "MS503")
    assert "nothing declares the axes' frame" in result(report, "MS504").reason


def test_what_a_target_reads_is_a_fault_whoever_made_the_dataset(made, tmp_path):
    root = copied(made("pickcube") / "v2.1", tmp_path / "dataset")
    info = json.loads((root / "meta/info.json").read_text())
    for column in ("state", "actions"):
        info["features"][column]["names"] = None
    (root / "meta/info.json").write_text(json.dumps(info))
    shutil.rmtree(root / "meta/mstool")
    change_actions(root, turn_the_other_way)
    report = validate(root)
    assert report.target == "pi05_libero"
    assert "MS504" in report.codes("failed")
