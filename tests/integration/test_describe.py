"""`mstool describe` on what LeRobot's own editing leaves of our datasets."""

import json

import pytest
from hub_server.fixtures import hub, hub_environment  # noqa: F401
from support.converted import command, copied
from support.edited import GOLDEN, undeclare
from support.lerobot_tools import edit
from support.records import drop_record, edited_record, read_record

from mstool.dataset.conventions import load_conventions
from mstool.dataset.fingerprint import content_hash
from mstool.errors import DataError


@pytest.fixture(scope="module")
def edited(made, tmp_path_factory):
    """The first episode deleted, by LeRobot, which leaves no record."""
    folder = tmp_path_factory.mktemp("edited")
    return edit("delete_episodes", "episode_indices=[0]", source=made("pick_images"), out=folder / "out")


def test_lerobot_drops_the_record_and_describe_restores_it(edited, made, tmp_path, mstool, capsys):
    root, original = copied(edited, tmp_path / "cut"), made("pick_images")
    assert read_record(root) == {}
    assert mstool("describe", root, "--from", original) == 0
    assert "1, each found there" in capsys.readouterr().out
    assert read_record(root) == read_record(original)
    ours, theirs = load_conventions(root), load_conventions(original)
    assert ours.episodes == [{**theirs.episodes[1], "episode_index": 0}]
    assert mstool("describe", root, "--from", original) == 2
    assert "has a record" in capsys.readouterr().err
    assert mstool("describe", root, "--from", original, "--overwrite", "--json") == 0
    assert json.loads(capsys.readouterr().out)["episodes"] == 1


def test_a_removed_camera_leaves_the_record(made, tmp_path, mstool, capsys):
    removed = "feature_names=[observation.images.image2]"
    root = edit("remove_feature", removed, source=made("pick_images"), out=tmp_path / "out")
    assert mstool("describe", root, "--from", made("pick_images")) == 0
    assert "without   observation.images.image2" in capsys.readouterr().out
    assert read_record(root)["views"] == {"observation.images.image": "base"}


def test_what_goes_with_a_layout_alone_is_not_passed_over(made, tmp_path, mstool, capsys):
    data = made("pick") / "v3.0"
    assert mstool("describe", data, "--from", data, "--view", "observation.images.image=base") == 2
    assert "go with --layout" in capsys.readouterr().err


def test_several_originals(made, tmp_path, mstool):
    """What `merge` knows of its parts, found again from the parts."""
    root = copied(made("merged"), tmp_path / "merged")
    before, lines = read_record(root), load_conventions(root).episodes
    drop_record(root)
    assert mstool("describe", root, "--from", made("push") / "v3.0", "--from", made("pick") / "v3.0") == 0
    after = read_record(root)
    assert load_conventions(root).episodes == lines
    assert sorted(after["env_ids"]) == sorted(before["env_ids"])
    assert after["horizon"] == before["horizon"]


def test_a_dataset_of_somebody_else_is_described_evaluated_and_trained_on(made, tmp_path, mstool, capsys):
    root = copied(made("pick") / "v3.0", tmp_path / "mine")
    undeclare(root)
    assert mstool("eval", "--policy", "random", "--dataset", root, "-n", "1", "--output", tmp_path / "no") != 0
    assert mstool("describe", root, "--layout", "libero", "--env", "PickCube-v1") == 0
    assert "gripper                 holds" in capsys.readouterr().out
    words = ("--dataset", root, "-n", "1", "--horizon", "2", "--workers", "1", "--output", tmp_path / "out", "--json")
    assert mstool("eval", "--policy", "random", *words) == 0
    (task,) = json.loads(capsys.readouterr().out)["tasks"]
    assert task["env_id"] == "PickCube-v1"
    assert mstool("eval", "--policy", f"replay:{root}", "--output", tmp_path / "played") == 2
    assert "was described, not converted" in capsys.readouterr().err
    assert mstool("validate", root, "--no-record", "--against", "lerobot") == 0
    assert mstool("finetune", root, "--policy", "act", "--dry-run", "--output", tmp_path / "run") == 0


def test_what_was_described_goes_to_the_hub_and_back_without_force(tmp_path, hub):  # noqa: F811
    root = copied(GOLDEN / "libero", tmp_path / "mine")
    undeclare(root)
    command("describe", root, "--layout", "libero", "--env", "PickCube-v1")
    command("validate", root)
    there = ("--endpoint", hub.endpoint)
    command("push", root, "--repo-id", "me/mine", *there)
    command("pull", "me/mine", *there, "--output", tmp_path / "got")
    assert content_hash(tmp_path / "got") == content_hash(root)
    assert read_record(tmp_path / "got") == read_record(root)


def test_what_is_refused(edited, made, tmp_path, mstool, capsys):
    root = copied(edited, tmp_path / "cut")
    assert mstool("describe", root, "--from", made("push") / "v3.0") == 1
    assert "episode 0 of" in capsys.readouterr().err
    assert mstool("describe", root, "--from", edited) == 1
    assert "has no record itself" in capsys.readouterr().err
    assert mstool("describe", root, "--from", tmp_path / "nowhere") == 2
    assert "nowhere does not exist; beside it there are: cut" in capsys.readouterr().err
    other = copied(made("pick_images"), tmp_path / "other")
    with edited_record(other) as record:
        record["goal"] = "hidden"
    assert mstool("describe", root, "--from", made("pick_images"), "--from", other) == 1
    assert "do not mean the same: goal differ" in capsys.readouterr().err
    assert read_record(root) == {}


def test_a_damaged_record_is_one_error(made, tmp_path, mstool, capsys):
    root = copied(made("pick_images"), tmp_path / "damaged")
    (root / "meta/mstool/record.json").write_text("[1]")
    for words in (("stats", root), ("describe", root, "--from", made("pick_images"))):
        assert mstool(*words) == 1
        assert "not a JSON object" in capsys.readouterr().err


@pytest.mark.parametrize(("entry", "value"), [("controller", "x"), ("image_size", "big"), ("layout", ["libero"])])
def test_a_record_that_was_damaged_by_hand_is_named(made, tmp_path, entry, value):
    root = copied(made("pick") / "v3.0", tmp_path / "pick")
    with edited_record(root) as record:
        record[entry] = value
    with pytest.raises(DataError, match=rf"record.json: {entry} missing or malformed"):
        load_conventions(root)
