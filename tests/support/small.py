"""One small conversion that several tests make in different ways, and the hash that all of them must find."""

import tempfile
import time
from functools import cache
from pathlib import Path

from conftest import DEMOS

from mstool.dataset.fingerprint import content_hash
from mstool.maniskill2lerobot.batches import Batch, Part
from mstool.maniskill2lerobot.convert import convert
from mstool.maniskill2lerobot.demos import open_demos
from mstool.maniskill2lerobot.executors.base import Executor
from mstool.maniskill2lerobot.executors.local import run_local
from mstool.maniskill2lerobot.options import make_recipe

# Four short episodes, one view: what takes time is starting, and that once per worker.
SMALL_PUSH = (
    "--env",
    "PushCube-v1",
    "--image-size",
    "64",
    "--cameras",
    "base",
    "--render-detail",
    "fast",
    "--workers",
    "2",
)


def convert_small_push(root: Path, *, workers: int, executor: Executor = run_local) -> str:
    """Convert as `mstool convert` with the words `SMALL_PUSH` does; returns the dataset's hash."""
    source = open_demos("PushCube-v1", str(DEMOS / "PushCube-v1"), episodes=None, seed=0, notify=print)
    recipe = make_recipe("PushCube-v1", image_size="64", cameras="base", render_detail="fast")
    convert(
        [Part([Batch(source, recipe)], root, "local/small")],
        formats={"v3.0": "video"},
        workers=workers,
        executor=executor,
    )
    return content_hash(root)


@cache
def small_push_hash() -> str:
    """Return the hash of the conversion by one local worker."""
    with tempfile.TemporaryDirectory() as folder:
        return convert_small_push(Path(folder) / "data", workers=1)


def wait_for(condition, seconds: float = 240) -> None:
    """Wait until `condition()` holds, no longer than `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
