"""`push` and `pull` of what the other commands really wrote: every format, merged, exported, edited by LeRobot."""

import pytest
from hub_server.fixtures import hub, hub_environment  # noqa: F401
from support.converted import copied, run_mstool
from support.records import drop_record

from mstool.fingerprint import content_hash

# The dataset, below what a command wrote, and the target that fits it.
DATASETS = {
    "pick/v3.0": "lerobot_pi05",
    "pick/v2.1": "pi05_libero",
    "pick_images": "lerobot_pi05",
    "pick_droid": "lerobot_pi05",
    "merged": "lerobot_pi05",
    "exported": "pi05_libero",
}


def made_at(made, name):
    recipe, _, version = name.partition("/")
    return made(recipe) / version


@pytest.mark.parametrize("name", DATASETS)
def test_there_and_back(hub, made, mstool, tmp_path, capsys, name):  # noqa: F811
    root = copied(made_at(made, name), tmp_path / "data")
    push = ["push", root, "--repo-id", "me/data", "--endpoint", hub.endpoint]
    assert mstool(*push) == 1
    fix = capsys.readouterr().err.partition("fix: ")[2].strip()
    assert fix == f"mstool validate {root} --against {DATASETS[name]}"
    run_mstool(*fix.split()[1:])

    assert mstool(*push, "--dry-run") == 0
    assert "would send" in capsys.readouterr().err
    assert mstool(*push) == 0
    assert mstool("pull", "me/data", "--endpoint", hub.endpoint, "--output", tmp_path / "got") == 0
    assert "opened" in capsys.readouterr().err
    assert content_hash(tmp_path / "got") == content_hash(root)
    card = (tmp_path / "got" / "README.md").read_text()
    assert f"Valid for `{DATASETS[name]}`" in card
    assert "PickCube-v1 demos | files of the converting machine" in card
    assert ("PushCube-v1 demos" in card) == (name in {"merged", "exported"})
    # What was pulled is the same dataset to every other command.
    assert mstool("show", tmp_path / "got", "--json") == 0
    assert mstool("push", tmp_path / "got", "--repo-id", "me/data", "--endpoint", hub.endpoint) == 0
    assert "sent 0 of" in capsys.readouterr().err


def test_without_the_record_that_other_tools_drop(hub, made, mstool, tmp_path, capsys):  # noqa: F811
    root = copied(made("pick") / "v3.0", tmp_path / "data")
    drop_record(root)
    words = ["--repo-id", "me/data", "--endpoint", hub.endpoint]
    assert mstool("push", root, *words, "--force", "--dry-run") == 0
    assert mstool("push", root, *words, "--force") == 0
    assert mstool("pull", "me/data", "--endpoint", hub.endpoint, "--output", tmp_path / "got") == 0
    assert "Conventions" not in (tmp_path / "got" / "README.md").read_text()
