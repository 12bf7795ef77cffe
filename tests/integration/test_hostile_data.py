"""Datasets come from strangers: whatever is in their files, every command ends soon, with one error and no traceback.

Each case is a small good dataset with one file replaced, and the commands that read that file. They run in children of
one process that has all imports behind it, with little memory and time: `tests/support/hostile_worker.py`.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "validate_data" / "libero"
WORKER = Path(__file__).parents[1] / "support" / "hostile_worker.py"
# What a command may take beyond its imports.
MOST_MIB, MOST_SECONDS = 700, 20
DEEP = "[" * 100_000 + "]" * 100_000
INFO, STATS, LOG = "meta/info.json", "meta/stats.json", "meta/mstool/episodes.jsonl"


class Worker:
    """Runs command lines."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *words: object) -> dict:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def worker():
    started = Worker()
    yield started
    started.close()


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A good dataset, to be changed."""
    return Path(shutil.copytree(GOLDEN, tmp_path / "data"))


def words_of(command: str, root: Path) -> list[object]:
    out = root.parent / "out"
    return {
        "validate": ["validate", root],
        "show": ["show", root, "--output", out],
        "stats": ["stats", root, "--output", out],
        "export": ["export", root, "--format", "v2.1", "--output", out],
        "merge": ["merge", root, GOLDEN, "--output", out],
        "push": ["push", root, "--repo-id", "me/cube", "--dry-run", "--force", "--endpoint", "http://127.0.0.1:9"],
        "describe": ["describe", root, "--from", GOLDEN, "--overwrite"],
        "finetune": ["finetune", root, "--dry-run", "--policy", "act", "--output", out],
    }[command]


def refused(worker, root: Path, command: str, *named: str) -> str:
    """Check that a command says in one error what is wrong, and return what it said."""
    done = worker.run(*words_of(command, root))
    said = done["out"] + done["err"]
    assert "Traceback" not in said, said
    assert done["code"] in {1, 2}, said
    assert done["peak_mib"] < MOST_MIB, done
    assert done["seconds"] < MOST_SECONDS, done
    assert all(name in said for name in named), said
    if command != "validate":
        assert done["err"].count("error: ") == 1, said
    return said


def edited(root: Path, name: str, **changes: object) -> None:
    path = root / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (INFO, DEEP),
        (INFO, '{"features": ' + DEEP + "}"),
        (INFO, "[]"),
        (INFO, '{"codebase_version": "v3.0", "fps": 20, "features": [], "total_episodes": 4, "total_frames": 284}'),
        (STATS, DEEP),
        (LOG, DEEP),
        (LOG, "[1]\n" * 4),
    ],
    ids=["info_deep", "features_deep", "info_list", "features_list", "stats_deep", "log_deep", "log_of_lists"],
)
def test_json(worker, hostile, name, text):
    (hostile / name).write_text(text)
    readers = {INFO: ("validate", "export"), STATS: ("validate", "push"), LOG: ("export", "push")}
    for command in readers[name]:
        refused(worker, hostile, command, Path(name).name)


def test_every_command_on_a_deep_description(worker, hostile):
    (hostile / INFO).write_text(DEEP)
    for command in ("show", "stats", "merge", "push", "describe", "finetune"):
        refused(worker, hostile, command, "info.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"fps": float("inf")},
        {"fps": -1},
        {"fps": 10**400},
        {"total_episodes": 10**15, "codebase_version": "v2.1"},
        {"total_frames": 10**30},
        {"robot_type": "\ud800"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_numbers_and_words(worker, hostile, changes):
    edited(hostile, INFO, **changes)
    for command in ("validate", "stats"):
        refused(worker, hostile, command)


@pytest.mark.parametrize("shape", [[10**12], [-1], [1 << 20, 1 << 20], "7", [[7]], [7.0]], ids=str)
def test_shapes(worker, hostile, shape):
    features = json.loads((hostile / INFO).read_text())["features"]
    features["action"]["shape"] = shape
    edited(hostile, INFO, features=features)
    for command in ("show", "stats", "export"):
        refused(worker, hostile, command, "action")


@pytest.mark.parametrize("entry", [[], "x", {"mean": "x"}, {"mean": [[1], 2]}], ids=str)
def test_statistics(worker, hostile, entry):
    edited(hostile, STATS, action=entry)
    refused(worker, hostile, "validate", "action")
    refused(worker, hostile, "push")
