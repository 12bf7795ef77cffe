"""`mstool improve` on a checkpoint that training wrote, in the simulator."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.converted import copied
from support.records import edited_record

from mstool.api.improve import run_options
from mstool.dataset.conventions import load_conventions
from mstool.dataset.files import STEERING_FILE
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.evaluation.policy import Observation
from mstool.improvement.demos import open_frames
from mstool.improvement.options import ImproveOptions
from mstool.improvement.players import Result, Tally
from mstool.training.frame_cache import cached
from mstool.training.options import FinetuneOptions
from mstool.training.prepare import prepare
from mstool.training.run import finetune

pytestmark = pytest.mark.sim


@pytest.fixture
def flow(tiny):
    return tiny.run("pick", "flow")


def improved(flow, output, **more):
    usual = {"workers": 1, "device": "cpu", "batch_size": 4, "replan": 4, "horizon": 8, "critic_episodes": 2}
    usual |= {"demo_updates": 1, "updates": 1, "save_seconds": 0.0, "hidden": 16, "minutes": 30.0}
    return run_options(ImproveOptions(str(flow), output=output, **{**usual, **more}))


def exported(run, mstool):
    """Hand a policy on: the card, once no file of it names a folder of this machine."""
    output = run.with_name("exported")
    assert mstool("export", run, "--output", output, "--overwrite") == 0
    texts = [*output.glob("*.json"), output / "README.md"]
    assert not [path.name for path in texts if str(run.parent) in path.read_text()]
    return (output / "README.md").read_text()


def comes_out(monkeypatch, player):
    """Have a player come out, whatever it solved: policies of one step solve nothing."""
    tallies = {"policy": Tally(0, 1), player: Tally(1, 1)}
    monkeypatch.setattr("mstool.improvement.course.result", lambda *_: Result(player, "so", tallies))


def weights(output):
    return load_file(output / "checkpoints" / "last" / "pretrained_model" / "model.safetensors")


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(flow, tmp_path, mstool, capsys, monkeypatch):
    monkeypatch.setattr("mstool.improvement.players.ENOUGH", 1)
    before = load_file(flow / "checkpoints" / "last" / "pretrained_model" / "model.safetensors")
    half = improved(flow, tmp_path / "halves", episodes=2)
    assert half.result.player == "policy"
    assert "too few own episodes to judge what was learnt: policy 2, flow 0, actor 0" in half.text()
    kept = weights(tmp_path / "halves")
    assert set(kept) == set(before)
    assert all(torch.equal(kept[name], before[name]) for name in before), "it is the policy as it began"
    comes_out(monkeypatch, "actor")
    improved(flow, tmp_path / "halves", episodes=4, resume=True)
    whole = improved(flow, tmp_path / "whole", episodes=4)
    assert (whole.episodes, whole.updates, whole.steps) == (4, 5, 32)
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert set(first) == set(second)
    assert all(torch.equal(first[name], second[name]) for name in first)
    rounds = json.loads((tmp_path / "whole" / "curve.json").read_text())["rounds"]
    assert [point["phase"] for point in rounds] == ["demos", "critic", "online"]
    assert [list(point.get("played", ())) for point in rounds] == [[], ["policy"], ["flow", "actor"]]
    assert set(rounds[2]["losses"]) == {"critic", "actor", "flow"}
    assert all(math.isfinite(value) for point in rounds for value in point["losses"].values())
    assert (tmp_path / "whole" / "curve.png").stat().st_size > 1000
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
    card = exported(tmp_path / "whole", mstool)
    assert "| demos | 3 of `PickCube-v1` |" in card
    assert "| improved | on 4 episodes of its own |" in card
    assert "0 of 1 = 0 %" in card


def test_the_tasks_frames_alone_are_decoded_unless_training_left_them_all(made, tmp_path):
    from lerobot.datasets import LeRobotDataset

    root, size = made("merged"), (32, 32)
    part = open_frames(root, [3, 4], size, tmp_path)
    first = int(part.meta.episodes[3]["dataset_from_index"])
    whole = LeRobotDataset("local/demos", root=root, return_uint8=True)
    assert len(part) == len(whole) - first
    cached(whole, tmp_path / next(tmp_path.iterdir()).name.rsplit("-", 1)[0], size, processes=1)
    again = open_frames(root, [3, 4], size, tmp_path)
    assert len(again) == len(whole)
    assert again.absolute_to_relative_idx is None
    for row in (first, len(whole) - 1):
        mine, other = part[part.absolute_to_relative_idx[row]], again[row]
        assert all(torch.equal(mine[name], other[name]) for name in ("action", *part.meta.camera_keys))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "ppo"), "there are fql, best-of-n, bc-success, dsrl"),
        (("--seed-start", 9_990), "would learn from seed 10000, which is of mstool eval"),
        (("--seed-start", 1_000_000), "which is of finetune --eval-freq"),
        (("--env", "PushCube-v1"), "has no demo of PushCube-v1"),
        (("--env", "Empty-v1"), "does not say when it is solved"),
        (("--replan", 9), "the policy predicts 8 actions"),
        (("--resume",), "no checkpoint to go on from"),
        (("--gamma", 1.5), "is not between 0 and 1"),
        (("--minutes", "nan"), "--minutes nan: nothing can be learnt"),
        (("--lr", "inf"), "--lr inf is out of range"),
        (("--device", "gpu"), "there are cuda, mps, cpu"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_loaded(flow, tmp_path, mstool, capsys, words, said):
    assert mstool("improve", flow, "--output", tmp_path / "out", *words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "\nfix: " in err
    assert not (tmp_path / "out").exists()


def test_an_environment_that_cannot_be_built_is_said_before_any_demo_is_encoded(
    made, flow, tmp_path, mstool, capsys, monkeypatch
):
    """The same where a training would evaluate its checkpoints."""
    data, run = copied(made("pick") / "v3.0", tmp_path / "data"), copied(flow, tmp_path / "run")
    with edited_record(data) as record:
        for demo in record["demos"]:
            demo["env_kwargs"] = {"no_such": 1}
    conventions = run / "checkpoints" / "last" / "pretrained_model" / "mstool_conventions.json"
    document = json.loads(conventions.read_text())
    document["mstool"]["demos"] = record["demos"]
    conventions.write_text(json.dumps(document))
    monkeypatch.setattr("mstool.improvement.run.Run.run", lambda _: pytest.fail("it began"))
    monkeypatch.setattr("mstool.api.finetune.train", lambda *_: pytest.fail("it began"))
    for words in (
        ("improve", run, "--dataset", data, "--device", "cpu"),
        ("finetune", data, "--eval-freq", 1, "--steps", 1, "--force"),
    ):
        assert mstool(*words, "--output", tmp_path / "out") == 1
        err = capsys.readouterr().err
        assert "PickCube-v1 cannot be built with no_such=1" in err
        assert "\nfix: " in err
        assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_not_there_is_no_word_for_another_policy(mstool, capsys):
    assert mstool("improve", "runs/nowhere") == 2
    err = capsys.readouterr().err
    assert "runs/nowhere: no such folder\n" in err
    assert "ws://" not in err


def test_a_policy_of_another_kind_and_a_dataset_of_another_layout(flow, tiny, made, tmp_path, mstool, capsys):
    assert mstool("improve", tiny.run("pick"), "--output", tmp_path / "out") == 2
    assert "is of type act" in capsys.readouterr().err
    assert mstool("improve", flow, "--dataset", made("pick_droid"), "--output", tmp_path / "out") == 1
    assert "of another kind" in capsys.readouterr().err


@pytest.fixture
def pi05(made, tmp_path, monkeypatch):
    """A checkpoint of LeRobot's own pi05 code with half a million random weights."""
    from accelerate.state import AcceleratorState
    from lerobot.policies.pi05 import modeling_pi05

    from benchmarks.pi05_steps import make_tokenizer, shrink

    for name in ("get_gemma_config", "PaliGemmaForConditionalGenerationWithPiGemma", "PiGemmaForCausalLM"):
        monkeypatch.setattr(modeling_pi05, name, getattr(modeling_pi05, name))
    shrink()
    data = made("pick") / "v3.0"
    options = FinetuneOptions(
        dataset=data, policy="pi05", output=tmp_path / "pi05", init="random", device="cpu", steps=1, batch_size=1,
        tokenizer=make_tokenizer(data, tmp_path / "tokenizer"), num_workers=0, cache_frames="off", lora=False,
        force=True, overrides=(("chunk_size", 8), ("n_action_steps", 8), ("num_inference_steps", 2)),
    )  # fmt: skip
    # A process trains in one precision, this one's other trainings in another.
    AcceleratorState._reset_state(reset_partial_state=True)
    finetune(prepare(options, notify=lambda _line: None))
    AcceleratorState._reset_state(reset_partial_state=True)
    return tmp_path / "pi05"


def test_pi05_is_steered_by_its_noise(pi05, tmp_path, mstool, capsys, monkeypatch):
    assert mstool("improve", pi05, "--output", tmp_path / "fql") == 2
    assert "--method dsrl" in capsys.readouterr().err
    monkeypatch.setattr("mstool.improvement.players.ENOUGH", 2)  # episodes of the policy as it began
    report = improved(pi05, tmp_path / "run", method="dsrl", episodes=2, critic_episodes=1)
    assert (report.episodes, report.steps) == (2, 16)
    assert not (tmp_path / "run" / "checkpoints" / "last" / "pretrained_model" / STEERING_FILE).exists(), "as it began"
    comes_out(monkeypatch, "steered")
    report = improved(pi05, tmp_path / "run", method="dsrl", episodes=6, critic_episodes=1, resume=True)
    assert (report.episodes, report.updates) == (6, 2), "nothing is learnt from the policy's own two"
    model = tmp_path / "run" / "checkpoints" / "last" / "pretrained_model"
    weights = pi05 / "checkpoints" / "last" / "pretrained_model" / "model.safetensors"
    assert (model / "model.safetensors").samefile(weights), "the frozen weights lie there once"
    runs, taught = (pi05, tmp_path / "run"), load_conventions(model)
    before, after = (LerobotPolicy(str(run), taught, device="cpu", notify=str) for run in runs)
    images = dict.fromkeys(taught.record.views.values(), np.zeros((64, 64, 3), np.uint8))
    seen = Observation(images, np.zeros(8, np.float32), "pick", "PickCube-v1", 0, 0)
    first, second = (policy.act([0], [seen])[0] for policy in (before, after))
    assert not np.allclose(first, second), "the noise is chosen"
    words = ("eval", "--policy", tmp_path / "run", "-n", 1, "--horizon", 4, "--workers", 1, "--device", "cpu")
    capsys.readouterr()
    assert mstool(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["total"]["success_once"]["episodes"] == 1
    assert mstool("improve", tmp_path / "run", "--method", "dsrl", "--output", tmp_path / "again") == 2
    assert "was improved already (steered)" in capsys.readouterr().err
    assert "length before it was improved" in exported(tmp_path / "run", mstool)
    assert "google/paligemma-3b-pt-224" in (tmp_path / "exported" / "policy_preprocessor.json").read_text()
    assert str(tmp_path / "tokenizer") in (model / "policy_preprocessor.json").read_text()
