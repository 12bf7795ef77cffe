"""Runs many command lines, each in a forked child with little memory and time: `python hostile_worker.py < cases`.

The modules are imported once. Every case is a line of JSON, a list of words after `mstool`; every answer one of
{"code", "out", "err", "seconds", "peak_mib"}, where the peak is what the child took beyond what it was born with.
"""

import os

# Threads of numpy's own would not live on in a forked child.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import contextlib
import json
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

MOST_SECONDS = 30


def run(words: list[str]) -> dict[str, object]:
    """Run one case."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _child(words, out, err)
        _, status, usage = os.wait4(child, 0)
        born = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read_text(errors="backslashreplace"),
            "err": err.read_text(errors="backslashreplace"),
            "seconds": time.monotonic() - started,
            "peak_mib": (usage.ru_maxrss - born) >> 10,
        }


def _child(words: list[str], out: Path, err: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    signal.alarm(MOST_SECONDS)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["mstool", *words]
    code = 99
    try:
        main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  # what a user would see
        traceback.print_exc()
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    import av
    import h5py
    import huggingface_hub
    import matplotlib.pyplot as plt
    import pyarrow.dataset
    import pyarrow.parquet
    import pydantic
    from PIL import Image, PngImagePlugin

    import mstool.hub.push
    import mstool.maniskill2lerobot.rewrite.merge_export
    import mstool.norm_stats.report
    import mstool.training.gate
    import mstool.validators.html
    import mstool.validators.show.run
    from mstool.cli.main import main
    from mstool.validators.checks import load_checks

    load_checks()
    # What a command builds and imports before it looks at its words takes half a second.
    sys.argv = ["mstool", "validate", "--list"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
        main()
    assert all((av, h5py, huggingface_hub, plt, pyarrow, pydantic, Image, PngImagePlugin, mstool))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()
