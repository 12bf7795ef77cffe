"""LeRobot's log, made readable: short lines for a person, and every number in a file."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mstool.progress import Notify, notify
from mstool.training.run_folder import TRAIN_LOG

# LeRobot prints its whole config over several hundred lines: it is in train_config.json and in the plan.
_LONG = 1000


class _Brief(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.name == "root" or record.levelno >= logging.WARNING
        return ours and len(record.getMessage()) < _LONG


class _Lines(logging.Handler):
    """Gives every line to whoever is told lines."""

    def __init__(self, tell: Notify) -> None:
        super().__init__()
        self.tell = tell
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        self.addFilter(_Brief())

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(self.format(record))


class _Numbers(logging.Handler):
    """Appends LeRobot's metrics (`MetricsTracker.to_dict`) to a file as JSON lines.

    steps, samples, episodes, epochs: counted from the beginning; loss, grdn (gradient norm), lr, updt_s, data_s (s),
    samples_per_s, gpu_mem_gb (peak, GiB): means since the last line.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        metrics = getattr(record.msg, "to_dict", None)
        if metrics is None or not hasattr(record.msg, "epochs"):
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics()) + "\n")


def set_up(output: Path, accelerator: Any = None) -> None:
    """Take the place of LeRobot's `init_logging`: process 0 speaks, the others are silent."""
    root = logging.getLogger()
    root.handlers.clear()
    if accelerator is not None and not accelerator.is_main_process:
        root.addHandler(logging.NullHandler())
        root.setLevel(logging.ERROR)
        return
    root.setLevel(logging.INFO)
    root.addHandler(_Lines(notify()))
    root.addHandler(_Numbers(output / TRAIN_LOG))
    for name in ("httpx", "accelerate", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def given_back() -> Iterator[None]:
    """Leave the program's own logging as it was before `set_up`."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Silence one of LeRobot's loggers, its errors left out, while the block runs."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def last_line(output: Path) -> dict[str, Any]:
    """Return the newest numbers of a run, empty where there are none."""
    try:
        lines = (output / TRAIN_LOG).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return dict(json.loads(lines[-1])) if lines else {}
