"""Two processes train one policy together, on the CPU with gloo: as `accelerate launch` does with two GPUs."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import forked


@pytest.fixture(scope="module")
def dataset(pickcube, tmp_path_factory):
    """A copy: its verdict is kept inside."""
    return Path(shutil.copytree(pickcube / "v3.0", tmp_path_factory.mktemp("processes") / "cube"))


def launch(dataset, output, steps):
    words = [sys.executable, Path(__file__).parents[1] / "support" / "train_tiny.py", dataset, output, steps]
    return forked.start(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def test_ctrl_c_stops_both_with_a_checkpoint_of_the_same_step(dataset, tmp_path):
    """The launcher answers Ctrl-C with a SIGTERM to its processes, which is not a second Ctrl-C."""
    output = tmp_path / "run"
    process = launch(dataset, output, 500)
    said = []
    for line in process.stdout:
        said.append(line)
        if "step:3 " in line:
            os.killpg(process.pid, signal.SIGINT)
    assert process.wait() != 0
    words = "".join(said)
    assert "Effective batch size: 4 x 2 = 8" in words
    (checkpoint,) = (path for path in (output / "checkpoints").iterdir() if path.name != "last")
    state = json.loads((checkpoint / "training_state" / "training_step.json").read_text())
    assert state["step"] == int(checkpoint.name) >= 3
    assert (checkpoint / "pretrained_model" / "norm_stats.json").is_file()
    assert words.count("Stopped") == 2, words
