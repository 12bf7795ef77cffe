"""LeRobot checkpoints as policies: batches, noise, histories, and what does not fit. No simulator."""

import json
import shutil

import numpy as np
import pytest
from support.checkpoints import TINY
from support.records import edited_record

from mstool.dataset.conventions import load_conventions
from mstool.errors import DataError, UsageError
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.evaluation.policy import Observation
from mstool.evaluation.request import EvalRequest

MODEL = "checkpoints/000001/pretrained_model"


@pytest.fixture
def dataset(tiny):
    return tiny.data("noise")


@pytest.fixture
def runs(tiny):
    return {kind: tiny.run("noise", kind) for kind in TINY}


def observe(seed, step=0):
    random = np.random.default_rng([seed, step])
    images = {view: random.integers(0, 256, (64, 64, 3), np.uint8) for view in ("base", "wrist")}
    return Observation(images, random.normal(size=8).astype(np.float32), "do it", "PickCube-v1", seed, step)


def load(runs, dataset, kind, slots):
    return LerobotPolicy(str(runs[kind]), load_conventions(dataset), device="cpu", slots=slots)


@pytest.mark.parametrize("kind", ["act", "flow"])
def test_an_episode_does_not_depend_on_who_waits_with_it(runs, dataset, kind):
    policy = load(runs, dataset, kind, 3)
    seen = [observe(seed) for seed in (5, 6, 7)]
    together = policy.act([0, 1, 2], seen)
    assert len(together) == 3
    assert together[0].shape == (TINY[kind]["chunk_size"], 7)
    assert together[0].dtype == np.float32
    assert not np.allclose(together[0], together[1])
    for alone, others in zip(together, seen, strict=True):
        assert np.array_equal(policy.act([1], [others])[0], alone)
    again = load(runs, dataset, kind, 3)
    assert np.array_equal(again.act([0, 1, 2], seen)[2], together[2])
    assert policy.traits.replan == TINY[kind]["n_action_steps"]
    assert policy.traits.identity["content"] == again.traits.identity["content"]


def test_noise_is_of_the_seed_and_the_step(runs, dataset):
    policy = load(runs, dataset, "flow", 1)
    seen = observe(5)
    moved = Observation(seen.images, seen.state, seen.prompt, seen.env_id, seen.seed, 8)
    other = Observation(seen.images, seen.state, seen.prompt, seen.env_id, 6, 0)
    answers = [policy.act([0], [each])[0] for each in (seen, moved, other, seen)]
    assert np.array_equal(answers[0], answers[3])
    assert not np.allclose(answers[0], answers[1])
    assert not np.allclose(answers[0], answers[2])
    assert policy.traits.identity["noise"] == "per episode"


def test_a_history_belongs_to_its_slot(runs, dataset):
    """Two episodes in turn give what each gives alone."""
    policy = load(runs, dataset, "diffusion", 2)
    assert policy.traits.stateful
    assert policy.traits.replan == 1
    both = {0: [], 1: []}
    policy.reset(0, "PickCube-v1", 5)
    policy.reset(1, "PickCube-v1", 6)
    for step in range(6):
        one, two = policy.act([0, 1], [observe(5, step), observe(6, step)])
        both[0].append(one)
        both[1].append(two)
    assert both[0][0].shape == (1, 7)
    policy.reset(0, "PickCube-v1", 6)
    alone = [policy.act([0], [observe(6, step)])[0] for step in range(6)]
    assert np.array_equal(alone, both[1])
    assert not np.allclose(both[0], both[1])


def test_what_it_was_trained_on_and_what_is_given_must_agree(runs, dataset, tmp_path):
    run = shutil.copytree(runs["act"], tmp_path / "run", symlinks=True)
    other = shutil.copytree(dataset, tmp_path / "other")
    with edited_record(other) as record:
        record["goal"] = "hidden"
    with pytest.raises(DataError, match="goal is hidden, not visible"):
        EvalRequest(str(run), dataset=other).source.conventions()
    assert EvalRequest(str(run), dataset=dataset).source.conventions() == load_conventions(run / MODEL)
    (run / MODEL / "mstool_conventions.json").unlink()
    with pytest.raises(UsageError, match="does not say what it was trained on") as error:
        EvalRequest(str(run)).source.conventions()
    assert error.value.fix.endswith(f" --dataset {dataset}")
    assert EvalRequest(str(run), dataset=dataset).source.conventions() == load_conventions(dataset)


def test_a_damaged_checkpoint_is_an_error(runs, dataset, tmp_path):
    run = shutil.copytree(runs["act"], tmp_path / "run", symlinks=True)
    (run / MODEL / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be loaded as a LeRobot checkpoint"):
        LerobotPolicy(str(run), load_conventions(dataset), device="cpu")


def test_lora_adapters_are_put_on_their_base(dataset, runs, tmp_path):
    """A checkpoint of `--lora` holds adapters alone and names the weights that they belong to."""
    import torch
    from lerobot.policies.act.modeling_act import ACTPolicy
    from peft import LoraConfig, get_peft_model

    base, adapted = runs["act"] / MODEL, tmp_path / MODEL
    model = get_peft_model(ACTPolicy.from_pretrained(base), LoraConfig(r=2, target_modules=r".*action_head"))
    model.peft_config["default"].base_model_name_or_path = str(base)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(weight)
    shutil.copytree(base, adapted, ignore=shutil.ignore_patterns("model.safetensors"))
    model.save_pretrained(adapted)
    config = json.loads((adapted / "config.json").read_text())
    (adapted / "config.json").write_text(json.dumps({**config, "use_peft": True}))

    seen = [observe(5)]
    ours = load_conventions(dataset)
    plain, tuned = (LerobotPolicy(str(folder), ours, device="cpu", slots=1) for folder in (base, adapted))
    assert not np.allclose(plain.act([0], seen)[0], tuned.act([0], seen)[0])
    merged = tmp_path / "merged"
    shutil.copytree(base, merged)
    model.merge_and_unload().save_pretrained(merged)
    whole = LerobotPolicy(str(merged), ours, device="cpu", slots=1)
    np.testing.assert_allclose(tuned.act([0], seen)[0], whole.act([0], seen)[0], atol=1e-5)
