"""What tests share: real demos, and small datasets converted once per session."""

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from mstool import processes
from mstool.cli import main as cli

if TYPE_CHECKING:
    from support.checkpoints import Tiny

# All that is imported stays: looking through it for garbage again and again takes a fifth of the imports' time.
gc.disable()
# A container may forbid compiled files, as images do; then every process that tests start would compile all of this.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Tests run side by side: threads of one that wait for a turn would slow the other, and themselves, ten times.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell's background jobs ignore Ctrl-C, and so would the commands that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# All tests of a process fork their workers from one: it has what any of them needs.
processes.IMPORTED_BEFORE += ["mstool.maniskill2lerobot.executors.job", "mstool.evaluation.worker", "mani_skill.envs"]
processes.IMPORTED_BEFORE += ["support.light_libero"]

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("mstool", deadline=None)
hypothesis.settings.load_profile("mstool")

LONG_UNIT_FILES = {"test_cli_paths.py", "test_flow_policy.py", "test_validators_mutations.py"}
DEMOS = Path(__file__).parent / "data" / "demos"
SIX_TASKS = ("PickCube-v1", "StackCube-v1", "PushCube-v1", "PullCube-v1", "PullCubeTool-v1", "PlaceSphere-v1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with long files: at the end both processes have short ones left."""
    items.sort(key=lambda item: "unit" in item.path.parts and item.path.name not in LONG_UNIT_FILES)


def pytest_collection_finish() -> None:
    """Collect garbage of the tests alone."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def hub_settings() -> Iterator[None]:
    """Take back what `push` and `pull` set for huggingface_hub here: the next test's commands would see it."""
    before = {name: value for name, value in os.environ.items() if name.startswith("HF_")}
    yield
    for name in [name for name in os.environ if name.startswith("HF_")]:
        del os.environ[name]
    os.environ.update(before)


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
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Hand out what a command really wrote, by its name in `support.converted.RECIPES`; copy it before changing it."""
    from support import converted

    base = converted.shared_folder(tmp_path_factory.getbasetemp())
    return lambda name: converted.made(base, name)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> "Tiny":
    """Hand out checkpoints that were trained for a step: `tiny.run(dataset, kind)`, on `tiny.data(dataset)`."""
    from support import checkpoints, converted

    return checkpoints.Tiny(converted.shared_folder(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="session")
def libero_demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of LIBERO's scripted expert."""
    from support import converted, libero

    return libero.expert_demos(converted.shared_folder(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="session")
def libero_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That demo converted, v3.0; copy it before changing it."""
    from support import converted, libero

    return libero.expert_dataset(converted.shared_folder(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="session")
def pickcube(made: Callable[[str], Path]) -> Path:
    """Two PickCube episodes in both formats, 128 px: `v3.0` (video) and `v2.1` (images)."""
    return made("pickcube")
