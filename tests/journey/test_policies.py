"""From a dataset to a policy and its evaluation: finetune, eval, serve, LeRobot's own evaluation."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import forked
from support.converted import MSTOOL, command

pytestmark = pytest.mark.sim
SHORT = ("--episodes", 1, "--horizon", 6, "--workers", 1, "--device", "cpu", "--json")


def outcome(said):
    (task,) = json.loads(said)["tasks"]
    (each,) = task["outcomes"]
    return {name: value for name, value in each.items() if name != "seconds"}


@pytest.mark.parametrize("name", ["pick_droid", "merged"])
def test_every_stored_episode_solves_its_task_again(made, tmp_path, name):
    """`merged` holds what `pick` and `push` do."""
    words = ("--policy", f"replay:{made(name)}", "--output", tmp_path, "--workers", 1, "--json")
    done = command("eval", *words, fresh=name == "merged")
    for task in json.loads(done.stdout)["tasks"]:
        assert all(each["success_once"] for each in task["outcomes"]), task


def test_a_checkpoint_is_evaluated_and_served_alike(made, tmp_path, mstool, capsys):
    run, data = made("flow"), made("pick") / "v3.0"
    assert mstool("eval", "--policy", run, *SHORT, "--output", tmp_path / "local") == 0
    local = outcome(capsys.readouterr().out)
    assert local["steps"] == 6
    assert local["looks"] > 0
    words = [*MSTOOL, "serve", str(run), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        try:
            said = next(line for line in server.stderr if "serving" in line)
            url = re.search(r"ws://\S+:\d+", said).group()
            remote = command("eval", "--policy", url, "--dataset", data, *SHORT, "--output", tmp_path / "remote")
            assert outcome(remote.stdout) == local
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
        finally:
            server.kill()


# In the suite: `integration/test_lerobot_env.py`, LeRobot's own policy and ours.
@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["flow", "act"])
def test_lerobot_evaluates_our_checkpoint(made, tmp_path, kind):
    """README's `lerobot-eval`, with fewer steps."""
    words = [
        str(Path(sys.executable).with_name("lerobot-eval")),
        f"--policy.path={made(kind) / 'checkpoints/last/pretrained_model'}",
        "--policy.device=cpu",
        "--env.type=maniskill",
        f"--env.dataset={made('pick') / 'v3.0'}",
        "--env.episode_length=4",
        "--eval.n_episodes=1",
        "--eval.batch_size=1",
        f"--output_dir={tmp_path}",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    run = subprocess.run if kind == "flow" else forked.run
    done = run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / "eval_info.json").read_text())["overall"]["n_episodes"] == 1
