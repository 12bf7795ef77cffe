"""Served LeRobot checkpoints answer over openpi's protocol exactly as they do without it."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from support import forked
from support.converted import copied
from support.openpi_server import served

from mstool.dataset.conventions import load_conventions
from mstool.evaluation.policies.choose import choose_policy
from mstool.evaluation.policies.openpi_server import OpenpiPolicy
from mstool.evaluation.policy import Observation


def observations(seed, steps):
    random = np.random.default_rng(seed)
    for step in range(steps):
        yield Observation(
            images={view: random.integers(0, 256, (64, 64, 3), np.uint8) for view in ("base", "wrist")},
            state=random.normal(size=8).astype(np.float32),
            prompt="do it",
            env_id="PickCube-v1",
            seed=seed,
            step=step,
        )


@pytest.mark.parametrize("kind", ["act", "flow", "diffusion"])
def test_actions_are_the_same_on_both_sides(tiny, kind):
    checkpoint, ours = str(tiny.run("noise", kind)), load_conventions(tiny.data("noise"))
    local, remote = (choose_policy(checkpoint).open(ours, device="cpu") for _ in range(2))
    with served(remote, ours) as url:
        client = choose_policy(url).open(ours)
        assert isinstance(client, OpenpiPolicy)
        assert client.traits.stateful == local.traits.stateful
        assert client.traits.replan == local.traits.replan
        for seed in (10_000, 10_001):  # the second episode must not know of the first
            for policy in (local, client):
                policy.reset(0, "PickCube-v1", seed)
            for seen in observations(seed, 3):
                (expected,), (answer,) = local.act([0], [seen]), client.act([0], [seen])
                np.testing.assert_array_equal(answer, expected)
        client.close()
    local.close()
    remote.close()


def test_a_checkpoint_that_says_nothing_of_its_data_is_told_by_dataset(tiny, tmp_path, mstool, capsys):
    """`lerobot-train` keeps no conventions; its config names the dataset, which the fix does too."""
    data = tiny.data("pickcube")
    model = copied(tiny.run("pickcube"), tmp_path / "run") / "checkpoints" / "last" / "pretrained_model"
    (model / "mstool_conventions.json").unlink()
    assert mstool("serve", tmp_path / "run") == 2
    err = capsys.readouterr().err
    assert "it does not say what it was trained on" in err
    assert f"fix: mstool serve {tmp_path / 'run'} --dataset {data}" in err
    server = forked.start(
        [sys.executable, "-m", "mstool.cli", "serve", tmp_path / "run", "--dataset", data, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "layout libero" in next(line for line in server.stderr if "serving" in line)
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    finally:
        server.kill()


def test_words_that_name_no_checkpoint(mstool, capsys, tmp_path, monkeypatch):
    """The fix is the command that was given, with a run that is there."""
    monkeypatch.chdir(tmp_path)
    for command in (("serve",), ("eval", "--policy")):
        assert mstool(*command, "nosuch") == 2
        assert "fix: mstool finetune DATASET" in capsys.readouterr().err
    for name in ("pick", "stack"):
        (tmp_path / "runs" / name / "checkpoints" / "last" / "pretrained_model").mkdir(parents=True)
        (tmp_path / "runs" / name / "checkpoints" / "last" / "pretrained_model" / "config.json").write_text("{}")
    (tmp_path / "runs" / "empty").mkdir()
    for command in (("serve",), ("eval", "--policy")):
        said = []
        for word in ("stakc", "nosuch", "runs/nosuch"):
            assert mstool(*command, word) == 2
            said.append(capsys.readouterr().err)
            assert f"error: {word}: no such folder" in said[-1]
            assert "--policy nosuch" not in said[-1]
        assert f"fix: mstool {' '.join(command)} runs/stack" in said[0]
        assert all(f"fix: mstool {' '.join(command)} runs/" in each for each in said)
        assert ("planner or random" in said[0]) == (command != ("serve",))
    assert mstool("eval", "--policy", "plannr") == 2
    assert "fix: mstool eval --policy planner" in capsys.readouterr().err
