"""`mstool improve` on a checkpoint that training wrote, in the simulator."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from support.checkpoints import make_checkpoint

from mstool.api.improve import run_options
from mstool.improvement.options import ImproveOptions

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def flow(made, tmp_path_factory):
    return make_checkpoint(made("pick") / "v3.0", tmp_path_factory.mktemp("improve") / "flow", "flow")


def improved(flow, output, **more):
    usual = {"workers": 1, "device": "cpu", "batch_size": 4, "replan": 4, "horizon": 8, "critic_episodes": 2}
    usual |= {"demo_updates": 1, "updates": 1, "save_seconds": 0.0, "hidden": 16, "minutes": 30.0}
    return run_options(ImproveOptions(str(flow), output=output, **{**usual, **more}))


def weights(output):
    return load_file(output / "checkpoints" / "last" / "pretrained_model" / "model.safetensors")


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(flow, tmp_path, mstool, capsys):
    whole = improved(flow, tmp_path / "whole", episodes=4)
    assert (whole.episodes, whole.updates, whole.steps) == (4, 5, 32)
    improved(flow, tmp_path / "halves", episodes=2)
    improved(flow, tmp_path / "halves", episodes=4, resume=True)
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert set(first) == set(second)
    assert all(torch.equal(first[name], second[name]) for name in first)
    rounds = json.loads((tmp_path / "whole" / "curve.json").read_text())["rounds"]
    assert [point["phase"] for point in rounds] == ["demos", "critic", "online"]
    assert set(rounds[2]["losses"]) == {"critic", "actor", "flow"}
    assert all(math.isfinite(value) for point in rounds for value in point["losses"].values())
    assert (tmp_path / "whole" / "curve.png").stat().st_size > 1000
    before = load_file(flow / "checkpoints" / "last" / "pretrained_model" / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], first[name])}
    assert changed
    assert all("expert" in name for name in changed), "the encoder is frozen"
    # The result is a policy like any other, and what it learnt from is not for an evaluation.
    capsys.readouterr()
    words = ("eval", "--policy", tmp_path / "whole", "-n", 1, "--horizon", 4, "--workers", 1, "--device", "cpu")
    assert mstool(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["total"]["success_once"]["episodes"] == 1
    assert mstool(*words, "--seed-start", 2_000_001) == 2
    assert "trained on (2000001)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "ppo"), "there are fql, best-of-n, bc-success, dsrl"),
        (("--seed-start", 9_990), "would learn from seed 10000, which is of mstool eval"),
        (("--seed-start", 1_000_000), "which is of finetune --eval-freq"),
        (("--env", "PushCube-v1"), "has no demo of PushCube-v1"),
        (("--replan", 9), "the policy predicts 8 actions"),
        (("--resume",), "no checkpoint to go on from"),
        (("--gamma", 1.5), "is not between 0 and 1"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_loaded(flow, tmp_path, mstool, capsys, words, said):
    assert mstool("improve", flow, "--output", tmp_path / "out", *words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "\nfix: " in err
    assert not (tmp_path / "out").exists()


def test_a_policy_of_another_kind_and_a_dataset_of_another_layout(flow, made, tmp_path, mstool, capsys):
    assert mstool("improve", made("act"), "--output", tmp_path / "out") == 2
    assert "is of type act" in capsys.readouterr().err
    assert mstool("improve", flow, "--dataset", made("pick_droid"), "--output", tmp_path / "out") == 1
    assert "of another kind" in capsys.readouterr().err
