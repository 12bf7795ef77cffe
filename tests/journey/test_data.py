"""From demos to datasets, one command on what the one before it wrote: generate, convert, merge, export, look at."""

import json

import pytest
from support.converted import command, copied

# Every dataset of the journey, by the step that wrote it, and the target that fits it.
DATASETS = {
    "pick/v3.0": "lerobot_pi05",
    "pick/v2.1": "pi05_libero",
    "pick_images": "lerobot_pi05",
    "pick_droid": "lerobot_pi05",
    "push/v3.0": "lerobot_pi05",
    "merged": "lerobot_pi05",
    "exported": "pi05_libero",
    "back": "lerobot_pi05",
}


@pytest.fixture(params=DATASETS)
def step(request, made):
    name, _, version = request.param.partition("/")
    return made(name) / version, DATASETS[request.param]


def test_validate_finds_the_target_and_no_fault(step):
    root, target = step
    fresh = root.name == "pick_droid"
    said = json.loads(command("validate", root, "--no-record", "--json", fresh=fresh).stdout)
    assert said["against"] == target
    assert said["valid"], said
    wrong = {result["code"] for result in said["checks"] if result["status"] not in {"passed", "skipped"}}
    # Two or three episodes are few: that is said, and nothing else.
    assert wrong <= {"MS705"}, wrong


@pytest.mark.parametrize("target", ["lerobot_pi05", "maniskill"])
def test_validate_for_every_fitting_target(made, target):
    assert "Traceback" not in command("validate", made("pick") / "v3.0", "--against", target, "--no-record").stderr


def test_stats_changes_nothing_that_convert_wrote(made, tmp_path):
    """`convert` computed them already, exactly."""
    root = copied(made("pick") / "v3.0", tmp_path / "pick")
    before = (root / "meta/stats.json").read_text()
    command("stats", root, "--config", "pi05_libero", fresh=True)
    assert json.loads((root / "meta/stats.json").read_text()) == json.loads(before)
    assert json.loads((root / "norm_stats.json").read_text())["norm_stats"]["state"]["q01"]


def test_show_speaks_of_every_step(step):
    root, _ = step
    shown = json.loads(command("show", root, "--json", fresh=root.name == "pick_droid").stdout)
    info = json.loads((root / "meta/info.json").read_text())
    assert shown["episodes"] == info["total_episodes"]
    assert shown["frames"] == info["total_frames"]


def test_lerobot_opens_every_step_without_a_word(step, caplog):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    root, _ = step
    info = json.loads((root / "meta/info.json").read_text())
    if info["codebase_version"] != "v3.0":
        pytest.skip("LeRobot 0.6.1 reads v3.0 alone; tests/integration/test_v21_reader.py reads as openpi's pin does")
    opened = LeRobotDataset("t/step", root=root, video_backend="pyav")
    assert opened[info["total_frames"] - 1]["action"].shape == tuple(info["features"]["action"]["shape"])
    assert not [record.message for record in caplog.records if "Unknown fields" in record.message]


def test_two_formats_in_one_folder_are_named(made):
    """ROOT of `--format both` is not a dataset: every command says which of the two to give."""
    root = made("pick")
    for words in (("show",), ("stats",), ("validate",), ("push", "--repo-id", "me/x"), ("finetune",)):
        said = command(words[0], root, *words[1:], code=None)
        assert said.returncode in {1, 2}, words
        assert f"{root}/v3.0" in said.stderr + said.stdout, (words, said.stderr)
        assert "Traceback" not in said.stderr
