"""What tests share: real demos, and small datasets converted once per session."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mstool.cli import main as cli

# Tests run side by side: threads of one that wait for a turn would slow the other, and themselves, ten times.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell's background jobs ignore Ctrl-C, and so would the commands that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

DEMOS = Path(__file__).parent / "data" / "demos"
SIX_TASKS = ("PickCube-v1", "StackCube-v1", "PushCube-v1", "PullCube-v1", "PullCubeTool-v1", "PlaceSphere-v1")


@pytest.fixture
def demo_copy(tmp_path: Path) -> Path:
    """A PickCube demo folder that a test may damage."""
    return Path(shutil.copytree(DEMOS / "PickCube-v1" / "motionplanning", tmp_path / "demos"))


@pytest.fixture
def mstool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command in this process; returns its exit code."""

    def run(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["mstool", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return int(exit_.value.code or 0)

    return run


@pytest.fixture(scope="session")
def pickcube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two PickCube episodes in both formats, 128 px: `v3.0` (video) and `v2.1` (images)."""
    from mstool.maniskill2lerobot.convert import Batch, convert
    from mstool.maniskill2lerobot.demos.source import open_demos
    from mstool.maniskill2lerobot.options import make_recipe

    root = tmp_path_factory.mktemp("datasets") / "pickcube"
    recipe = make_recipe("PickCube-v1", image_size="128", storages=("video", "image"))
    source = open_demos("PickCube-v1", str(DEMOS / "PickCube-v1"), episodes=2, seed=0, notify=print)
    convert([Batch(source, recipe, 2)], root, repo_id="test/pickcube", formats={"v3.0": "video", "v2.1": "image"})
    return root
