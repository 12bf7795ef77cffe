"""What LeRobot's own tools make of our datasets, and our commands again on what those wrote.

Every command of LeRobot's runs here in a process of its own once, `lerobot-edit-dataset` in a fresh one; its other
operations are called.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import forked
from support.converted import command, copied
from support.lerobot_tools import edit

EDITS = {
    "remove_feature": "feature_names=[observation.images.image2]",
    "modify_tasks": "new_task=grasp the red cube and lift it",
}


def lerobot(*words, fresh=False):
    path = sys.executable if words[0] == "python" else str(Path(sys.executable).with_name(words[0]))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    run = subprocess.run if fresh else forked.run
    done = run([path, *map(str, words[1:])], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.fixture
def ours(mstool, capsys):
    """Run a command of ours in this process; returns what it wrote to stdout."""

    def run(*words, code=0):
        capsys.readouterr()
        found = mstool(*words)
        said = capsys.readouterr()
        assert code is None or found == code, said.err
        return said.out

    return run


@pytest.fixture
def faults(ours):
    """The codes of the checks that a dataset fails."""

    def run(root):
        checks = json.loads(ours("validate", root, "--no-record", "--json", code=None))["checks"]
        return {each["code"] for each in checks if each["status"] in {"failed", "error"}}

    return run


def test_our_commands_on_a_dataset_with_an_episode_deleted(made, tmp_path, faults):
    root = tmp_path / "edited"
    lerobot(
        *("lerobot-edit-dataset", "--repo_id=t/in", f"--root={made('pick') / 'v3.0'}"),
        *("--new_repo_id=t/out", f"--new_root={root}", "--operation.type=delete_episodes"),
        "--operation.episode_indices=[0]",
        fresh=True,
    )
    assert not (root / "meta/mstool/record.json").is_file()
    assert not faults(root), "a lost record is no fault of the numbers"
    command("stats", root)
    command("show", root)
    command("describe", root, "--from", made("pick") / "v3.0", fresh=True)
    assert not faults(root)
    command("eval", "--policy", f"replay:{root}", "--episodes", 1, "--workers", 1, "--output", tmp_path / "eval")
    command("finetune", root, "--policy", "act", "--dry-run", "--output", tmp_path / "run")
    both = command("merge", root, made("push") / "v3.0", "--output", tmp_path / "merged", "--json")
    assert json.loads(both.stdout)["episodes"] == 4


@pytest.mark.parametrize("operation", EDITS)
def test_our_commands_on_an_edited_dataset(made, tmp_path, ours, faults, operation):
    root, source = tmp_path / "edited", made("pick") / "v3.0"
    if operation == "modify_tasks":  # LeRobot does that in place, and leaves the record
        edit(operation, EDITS[operation], source=copied(source, root))
    else:
        edit(operation, EDITS[operation], source=source, out=root)
    assert (root / "meta/mstool/record.json").is_file() == (operation == "modify_tasks")
    assert not faults(root), "a lost record is no fault of the numbers"
    ours("stats", root)
    ours("show", root)
    if operation != "modify_tasks":
        ours("describe", root, "--from", source)
    assert not faults(root)
    ours("eval", "--policy", f"replay:{root}", "--episodes", 1, "--workers", 1, "--output", tmp_path / "eval")
    ours("finetune", root, "--policy", "act", "--dry-run", "--output", tmp_path / "run")


def test_lerobot_splits_and_merges_ours(made, tmp_path, ours, faults):
    source, split, merged = made("pick") / "v3.0", tmp_path / "split", tmp_path / "all"
    edit("split", 'splits={"train": [0, 1], "val": [2]}', source=source, out=split)
    parts = sorted(path.parent.parent for path in split.rglob("meta/info.json"))
    assert len(parts) == 2
    for part in parts:
        ours("describe", part, "--from", source)
        assert not faults(part)
    edit("merge", "repo_ids=[t/a,t/b]", f"roots=[{parts[0]},{parts[1]}]", out=merged)
    ours("describe", merged, "--from", source)
    assert not faults(merged)
    assert json.loads(ours("show", merged, "--json"))["episodes"] == 3


def test_lerobots_conversion_of_our_v21(made, tmp_path, faults):
    """LeRobot writes no record, and keeps the names of openpi's columns: `export` is the way to v3.0."""
    root = copied(made("pick") / "v2.1", tmp_path / "old")
    lerobot(
        *("python", "-m", "lerobot.scripts.convert_dataset_v21_to_v30"),
        *("--repo-id=t/old", f"--root={root}", "--push-to-hub=false"),
    )
    assert faults(root) == {"MS702", "MS703"}
    assert json.loads((root / "meta/info.json").read_text())["codebase_version"] == "v3.0"


def test_dataset_viz_where_its_extra_is_there(made, tmp_path):
    pytest.importorskip("rerun")
    lerobot(
        "lerobot-dataset-viz",
        *("--repo-id=t/in", f"--root={made('pick') / 'v3.0'}", "--episode-index=0", "--save=1"),
        f"--output-dir={tmp_path}",
    )
    assert list(tmp_path.rglob("*.rrd"))
