"""What LeRobot's own tools make of our datasets, and our commands again on what those wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.converted import command, copied

EDITS = {
    "delete_episodes": ["--operation.episode_indices=[0]"],
    "remove_feature": ["--operation.feature_names=[observation.images.image2]"],
    "modify_tasks": ["--operation.new_task=grasp the red cube and lift it"],
}


def lerobot(script, *words):
    path = str(Path(sys.executable).with_name(f"lerobot-{script}"))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done


def edit(source, target, operation, *words):
    lerobot(
        "edit-dataset",
        *("--repo_id=t/in", f"--root={source}", "--new_repo_id=t/out", f"--new_root={target}"),
        *(f"--operation.type={operation}", *words),
    )
    return target


def faults(root, *words):
    """The codes of the checks that fail or warn."""
    done = command("validate", root, "--no-record", "--json", *words, code=None)
    return {each["code"] for each in json.loads(done.stdout)["checks"] if each["status"] in {"failed", "error"}}


@pytest.mark.parametrize("operation", EDITS)
def test_our_commands_on_an_edited_dataset(made, tmp_path, operation):
    source = copied(made("pick") / "v3.0", tmp_path / "source")
    root = edit(source, tmp_path / "edited", operation, *EDITS[operation])
    if operation == "modify_tasks":  # LeRobot does that in place, and leaves the record
        root = source
        assert (root / "meta/mstool/record.json").is_file()
    assert not faults(root), "a lost record is no fault of the numbers"
    command("stats", root)
    command("show", root)
    if not (root / "meta/mstool/record.json").is_file():
        command("describe", root, "--from", made("pick") / "v3.0")
    assert not faults(root)
    command("eval", "--policy", f"replay:{root}", "--episodes", 1, "--workers", 1, "--output", tmp_path / "eval")
    command("finetune", root, "--policy", "act", "--dry-run", "--output", tmp_path / "run")
    if operation == "delete_episodes":
        both = command("merge", root, made("push") / "v3.0", "--output", tmp_path / "merged", "--json")
        assert json.loads(both.stdout)["episodes"] == 4


def test_lerobot_splits_and_merges_ours(made, tmp_path):
    source = copied(made("pick") / "v3.0", tmp_path / "source")
    lerobot(
        "edit-dataset",
        *("--repo_id=t/in", f"--root={source}", f"--new_root={tmp_path / 'split'}", "--operation.type=split"),
        '--operation.splits={"train": [0, 1], "val": [2]}',
    )
    parts = sorted(path.parent.parent for path in tmp_path.rglob("meta/info.json") if path.parent.parent != source)
    assert len(parts) == 2
    for part in parts:
        command("describe", part, "--from", source)
        assert not faults(part)
    lerobot(
        "edit-dataset",
        *("--new_repo_id=t/all", f"--new_root={tmp_path / 'all'}", "--operation.type=merge"),
        "--operation.repo_ids=[t/a,t/b]",
        f"--operation.roots=[{parts[0]},{parts[1]}]",
    )
    command("describe", tmp_path / "all", "--from", source)
    assert not faults(tmp_path / "all")
    assert json.loads(command("show", tmp_path / "all", "--json").stdout)["episodes"] == 3


def test_dataset_viz_where_its_extra_is_there(made, tmp_path):
    pytest.importorskip("rerun")
    lerobot(
        "dataset-viz",
        *("--repo-id=t/in", f"--root={made('pick') / 'v3.0'}", "--episode-index=0", "--save=1"),
        f"--output-dir={tmp_path}",
    )
    assert list(tmp_path.rglob("*.rrd"))
