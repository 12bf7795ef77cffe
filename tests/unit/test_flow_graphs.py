"""The flow policy's passes as CUDA graphs: when they are replayed, and that they change no number."""

import copy

import pytest
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from torch import nn

from mstool.training.flow import graphs
from mstool.training.flow.configuration_flow import FlowConfig
from mstool.training.flow.modeling_flow import FlowPolicy


def test_graphs_are_replayed_in_training_for_their_shapes_alone():
    module = nn.Linear(3, 2)
    forward = graphs.choose(module, lambda _x: "replayed", lambda _x: "eager", [torch.Size([4, 3])])
    assert forward(torch.ones(4, 3)) == "replayed"
    assert forward(torch.ones(2, 3)) == "eager"  # the last batch of an epoch
    with torch.no_grad():
        assert forward(torch.ones(4, 3)) == "eager"
    module.eval()
    assert forward(torch.ones(4, 3)) == "eager"


def test_what_cannot_be_recorded_runs_as_before(monkeypatch):
    def refuse(modules, *_args, **_words):
        modules[0].forward = None
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    module = nn.Linear(3, 2)
    before = module.forward
    with pytest.raises(RuntimeError, match="no memory"):
        graphs.record([module], [(torch.ones(4, 3),)], None)
    assert module.forward == before


def test_there_is_nothing_to_record_without_a_gpu():
    assert not _policy("cpu").record_network()
    assert not _policy("cpu").compile_network()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_recorded_passes_train_as_eager_ones():
    losses, weights = {}, {}
    for recorded in (False, True):
        torch.manual_seed(0)
        policy = _policy("cuda").train()
        if recorded:
            assert policy.record_network()
        optimizer = torch.optim.AdamW(policy.get_optim_params(), lr=1e-3)
        losses[recorded] = []
        for step in range(6):
            torch.manual_seed(step)
            with torch.autocast("cuda", torch.bfloat16):
                loss, _ = policy.forward(_batch(6 if step == 4 else 8))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses[recorded].append(loss.item())
        weights[recorded] = {name: value.float().cpu() for name, value in policy.state_dict().items()}
    assert losses[True] == pytest.approx(losses[False], rel=2e-2)
    for name, value in weights[False].items():
        assert torch.allclose(weights[True][name], value, atol=2e-2), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_a_function_is_replayed_with_what_it_reads_as_it_is_then():
    weight, seen = torch.randn(3, 3, device="cuda"), torch.randn(4, 3, device="cuda")
    product = graphs.replay(lambda x: x @ weight, (torch.zeros(4, 3, device="cuda"),))
    for _ in range(2):
        torch.testing.assert_close(product(seen), seen @ weight)
        weight.mul_(2)
    assert product(seen[:2]).shape == (2, 3)
    stream = torch.cuda.current_stream()

    def waits(x):
        return x * float(x.sum())

    assert graphs.replay(waits, (seen,)) is waits, "what waits for the GPU cannot be recorded"
    assert torch.cuda.current_stream() == stream
    torch.testing.assert_close(product(seen), seen @ weight)
    assert torch.isfinite(torch.randn(3, device="cuda")).all(), "random numbers go on after a recording that failed"


def test_without_a_gpu_nothing_is_recorded_and_a_copy_has_no_recordings():
    recordings = graphs.Recordings()
    assert recordings.run("double", lambda x: 2 * x, torch.ones(2)).tolist() == [2, 2]
    assert recordings._known == {}
    recordings._known["of these weights", None] = lambda x: x
    assert copy.deepcopy(recordings)._known == {}
    recordings.forget()
    assert recordings._known == {}


@pytest.mark.parametrize("head", ["flow", "ddpm"])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_recorded_actions_are_those_of_eager_passes(head, monkeypatch):
    policy = _policy("cuda", head=head)
    batch = {name: value for name, value in _batch(4).items() if name.startswith("observation")}
    batch["observation.images.image"] = batch["observation.images.image"] / 255
    noise = torch.randn(4, policy.config.chunk_size, 7, device="cuda")
    recorded = []
    for mode in (torch.inference_mode, torch.no_grad, torch.inference_mode):
        with mode(), torch.autocast("cuda", torch.bfloat16, enabled=mode is torch.no_grad):
            recorded.append(policy.predict_action_chunk(batch, noise=noise))
    with torch.no_grad():  # the weights change in place, then move
        for weight in policy.average.expert.parameters():
            weight.add_(0.01 * torch.ones_like(weight))
    recorded.append(policy.predict_action_chunk(batch, noise=noise))
    changed = policy.cpu().to("cuda").predict_action_chunk(batch, noise=noise)
    monkeypatch.setattr(graphs.Recordings, "run", lambda _self, _name, function, *inputs: function(*inputs))
    assert torch.allclose(changed, policy.predict_action_chunk(batch, noise=noise), atol=1e-5)
    assert torch.allclose(recorded[3], changed, atol=1e-5)
    assert not torch.allclose(recorded[0], changed, atol=1e-3)
    assert torch.equal(recorded[0], recorded[2])
    assert torch.allclose(recorded[0], recorded[1], atol=0.1)


def _policy(device, **words):
    return FlowPolicy(
        FlowConfig(
            device=device,
            **words,
            image_size=(64, 64),
            width=64,
            action_layers=2,
            input_features={
                "observation.images.image": PolicyFeature(FeatureType.VISUAL, (3, 64, 64)),
                "observation.state": PolicyFeature(FeatureType.STATE, (8,)),
            },
            output_features={"action": PolicyFeature(FeatureType.ACTION, (7,))},
        )
    ).to(device)


def _batch(frames):
    return {
        "observation.images.image": torch.randint(0, 255, (frames, 3, 64, 64), dtype=torch.uint8, device="cuda"),
        "observation.state": torch.randn(frames, 8, device="cuda"),
        "observation.language.tokens": torch.randint(0, 2000, (frames, 32), device="cuda"),
        "action": torch.randn(frames, 32, 7, device="cuda"),
        "action_is_pad": torch.zeros(frames, 32, dtype=torch.bool, device="cuda"),
    }
