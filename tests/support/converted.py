"""Datasets and checkpoints as the commands themselves wrote them: each made once per test run, by a real process.

Tests that consume what another command writes take it from here instead of writing metadata by hand. `made` hands out
a folder that is shared by all tests and both test processes: look at it, and copy it (`copied`) before changing it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from conftest import DEMOS

from support import forked

# What is made by which words; `{name}` is the folder of another entry, `{out}` the entry's own.
RECIPES: dict[str, tuple[str, ...]] = {
    "pickcube": (
        *("convert", "-e", "PickCube-v1", "--demos", f"{DEMOS}/PickCube-v1", "-n", "2", "--format", "both"),
        *("--image-size", "128", "--render-detail", "fast", "--repo-id", "test/pickcube"),
    ),
    "pick_demos": ("demos", "generate", "-e", "PickCube-v1", "-n", "3"),
    "push_demos": ("demos", "generate", "-e", "PushCube-v1", "-n", "2"),
    "pick": ("convert", "-e", "PickCube-v1", "--demos", "{pick_demos}", "--format", "both"),
    "push": ("convert", "-e", "PushCube-v1", "--demos", "{push_demos}", "--format", "both"),
    "stack": ("convert", "-e", "StackCube-v1", "--demos", f"{DEMOS}/StackCube-v1", "-n", "3"),
    "pick_images": ("convert", "-e", "PickCube-v1", "--demos", f"{DEMOS}/PickCube-v1", "-n", "2", "--storage", "image"),
    "pick_droid": ("convert", "-e", "PickCube-v1", "--demos", "{pick_demos}", "-n", "2", "--layout", "droid"),
    "merged": ("merge", "{pick}/v3.0", "{push}/v3.0"),
    "exported": ("export", "{merged}", "--format", "v2.1"),
    "back": ("export", "{exported}", "--format", "v3.0", "--storage", "video"),
    "flow": ("finetune", "{pick}/v3.0", "--steps", "1", "--batch-size", "2", "--device", "cpu"),
    "act": ("finetune", "{pick}/v3.0", "--policy", "act", "--steps", "1", "--batch-size", "2", "--device", "cpu"),
}
# Made by a process that imports everything itself: one for each command, and the others are forked.
FRESH = {"pickcube", "pick_demos", "merged", "exported", "flow"}
MSTOOL = (sys.executable, "-m", "mstool.cli")
# Software renderers draw the simplified scene three times as fast.
_SMALL = ("--image-size", "64", "--render-detail", "fast", "--workers", "1")


def made(base: Path, name: str) -> Path:
    """Return the folder that the command of `RECIPES[name]` writes; the first to ask runs it, others wait.

    Parameters
    ----------
    base
        A folder that all test processes of this run share.
    name
        An entry of `RECIPES`.

    """

    def make(out: Path) -> None:
        words = [_fill(base, word) for word in RECIPES[name]]
        more = _SMALL if words[0] == "convert" and "--image-size" not in words else ()
        command(*words, *more, "--output", out, fresh=name in FRESH)

    return once(base, name, make)


def once(base: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name` in `base` that `make` writes: the first process to ask makes it, others wait."""
    out, done = base / name, base / f".{name}.done"
    base.mkdir(parents=True, exist_ok=True)
    with (base / f".{name}.making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            shutil.rmtree(out, ignore_errors=True)
            make(out)
            done.touch()
    return out


def copied(source: Path, target: Path) -> Path:
    """Return a copy that a test may change."""
    return Path(shutil.copytree(source, target, symlinks=True))


def command(
    *words: object, code: int | None = 0, env: dict[str, str] | None = None, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, in a process of its own without a terminal, and check its exit code.

    Whatever happens, nothing may end in a traceback. With `fresh` the process imports everything itself, which one test
    of each command asks for (`unit/test_forked.py`).
    """
    line = [*MSTOOL, *map(str, words)]
    run = subprocess.run if fresh else forked.run
    done = run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env, check=False)
    told = f"{' '.join(line)}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, told
    assert code is None or done.returncode == code, told
    return done


def shared_folder(base_temp: Path) -> Path:
    """Return the folder for `made`: of pytest's, the one that pytest-xdist's processes have in common."""
    return (base_temp.parent if os.environ.get("PYTEST_XDIST_WORKER") else base_temp) / "made"


def _fill(base: Path, word: str) -> str:
    while "{" in word:
        name = word[word.index("{") + 1 : word.index("}")]
        word = word.replace("{" + name + "}", str(made(base, name)))
    return word
