"""The bundled policy's formulas: paths, samplers, adaRMSNorm, times, words, pictures."""

import itertools
import math
import zlib

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from lerobot.configs.types import FeatureType, PolicyFeature
from scipy import stats
from torch import nn

from mstool.training.flow import processor_flow
from mstool.training.flow.augmentation import jitter, reduce_to, shift
from mstool.training.flow.configuration_flow import FlowConfig
from mstool.training.flow.modeling_flow import FlowPolicy
from mstool.training.flow.network import (
    ActionExpert,
    AdaRMSNorm,
    Attention,
    ObservationEncoder,
    RMSNorm,
    _resnet18,
    rms,
    sinusoidal,
)
from mstool.training.flow.objective import Ddpm, FlowMatching
from mstool.training.flow.processor_flow import word_ids

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


class Field(nn.Module):
    """A small network for 2-D points, seen as chunks of one action (M, 1, 2)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 + 32, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 2))

    def forward(self, x, t):
        return self.net(torch.cat([x[:, 0], sinusoidal(t, 32)], dim=-1))[:, None]


def two_modes(count):
    side = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    return torch.stack([side, torch.zeros(count)], dim=-1)[:, None] + 0.05 * torch.randn(count, 1, 2)


@pytest.mark.parametrize("objective", [FlowMatching(), Ddpm(100)], ids=["flow", "ddpm"])
def test_both_modes_of_a_distribution_are_learnt(objective):
    field = Field()
    optimizer = torch.optim.Adam(field.parameters(), lr=3e-3)
    for _ in range(1200):
        actions = two_modes(256)
        noise, t = torch.randn_like(actions), objective.times(len(actions), CPU)
        noisy, target = objective.path(actions, noise, t)
        loss = (field(noisy, t) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        drawn = objective.sample(field, torch.randn(1000, 1, 2), 20)[:, 0].numpy()
    near = [np.linalg.norm(drawn - centre, axis=1) < 0.35 for centre in ([-1.0, 0.0], [1.0, 0.0])]
    assert 0.35 < near[0].mean() < 0.65
    assert 0.35 < near[1].mean() < 0.65
    assert (near[0] | near[1]).mean() > 0.9


def test_flow_goes_straight_from_actions_to_noise():
    flow = FlowMatching()
    actions, noise = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    for t, expected in ((0.0, actions), (1.0, noise), (0.25, 0.25 * noise + 0.75 * actions)):
        noisy, velocity = flow.path(actions, noise, torch.full((3,), t))
        torch.testing.assert_close(noisy, expected)
        torch.testing.assert_close(velocity, noise - actions)


@given(st.integers(1, 30))
def test_a_straight_flow_is_sampled_exactly_in_any_number_of_steps(steps):
    actions, noise = torch.ones(2, 3, 2) * 0.3, torch.randn(2, 3, 2)
    torch.testing.assert_close(FlowMatching().sample(lambda x, t: noise - actions, noise, steps), actions)


def test_euler_converges_with_the_number_of_steps():
    # dx/dt = x, from t = 1 to 0: x(0) = x(1) / e; Euler's error falls by half with twice the steps.
    start = torch.ones(1, 1, 1)
    errors = [
        abs(float(FlowMatching().sample(lambda x, t: x, start, steps)) - math.exp(-1)) for steps in (10, 20, 40, 80)
    ]
    for coarse, fine in itertools.pairwise(errors):
        assert coarse / fine == pytest.approx(2.0, rel=0.1)


def test_the_velocity_is_asked_at_times_from_one_down():
    asked = []
    FlowMatching().sample(lambda x, t: asked.append(float(t[0])) or torch.zeros_like(x), torch.zeros(1, 1, 1), 10)
    np.testing.assert_allclose(asked, np.linspace(1, 0.1, 10), rtol=1e-6)


def test_times_follow_the_beta_distribution():
    t = FlowMatching().times(20_000, CPU).numpy()
    assert t.min() >= 0.001
    assert t.max() <= 1.0
    assert stats.kstest((t - 0.001) / 0.999, stats.beta(1.5, 1.0).cdf).pvalue > 0.01


def test_ddpm_path_has_unit_variance_and_ends_in_noise():
    ddpm = Ddpm(100)
    assert ddpm.signal[0] > 0.99
    assert ddpm.signal[-1] < 1e-3
    assert bool((ddpm.signal.diff() < 0).all())
    actions, noise = torch.randn(2000, 1, 1), torch.randn(2000, 1, 1)
    noisy, target = ddpm.path(actions, noise, torch.full((2000,), 0.5))
    assert float(noisy.std()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(target, noise)


def test_ddpm_recovers_actions_from_the_true_noise():
    ddpm = Ddpm(100)
    actions, noise = torch.rand(5, 3, 2) * 2 - 1, torch.randn(5, 3, 2)
    t = torch.full((5,), 0.4)
    noisy, _ = ddpm.path(actions, noise, t)

    def predict(x, t):
        signal = ddpm._signal(t)[:, None, None]
        return (x - signal.sqrt() * actions) / (1 - signal).sqrt()

    torch.testing.assert_close(ddpm.sample(predict, noisy, 10), actions, atol=1e-3, rtol=1e-3)


def test_adarmsnorm_is_its_formula():
    norm = AdaRMSNorm(8)
    nn.init.normal_(norm.modulation.weight)
    nn.init.normal_(norm.modulation.bias)
    x, c = torch.randn(3, 5, 8), torch.randn(3, 8)
    y, gate = norm(x, c)
    modulation = (c.double() @ norm.modulation.weight.double().T + norm.modulation.bias.double()).detach().numpy()
    scale, shifted, gated = np.split(modulation[:, None], 3, axis=-1)
    wide = x.double().numpy()
    expected = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-6) * (1 + scale) + shifted
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(gate.detach().numpy(), gated, atol=1e-4)


def test_adarmsnorm_starts_as_plain_rms_norm_with_a_closed_gate():
    y, gate = AdaRMSNorm(8)(x := torch.randn(2, 3, 8), torch.randn(2, 8))
    torch.testing.assert_close(y, rms(x))
    torch.testing.assert_close(y, RMSNorm(8)(x))
    assert not gate.any()


def test_one_small_picture_alone_can_be_trained_on():
    widths = {"state_size": 2, "backbone_width": 8, "width": 16, "heads": 1, "layers": 1}
    encoder = ObservationEncoder(cameras=1, image_size=(32, 32), vocabulary=8, max_words=2, **widths).train()
    tokens, _ = encoder(torch.randn(1, 1, 3, 32, 32), torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.long))
    tokens.sum().backward()
    assert tokens.shape == (1, 4, 16)


def test_draws_of_one_frame_share_its_context_and_nothing_else():
    expert = ActionExpert(action_size=7, chunk_size=4, width=32, heads=4, layers=2)
    for parameter in expert.parameters():
        nn.init.normal_(parameter, std=0.2)
    context, mask = torch.randn(2, 5, 32), torch.ones(2, 5, dtype=torch.bool)
    noisy, t = torch.randn(6, 4, 7), torch.rand(6)
    together = expert(noisy, t, context, mask)
    for frame in range(2):
        for draw in range(3):
            at = slice(3 * frame + draw, 3 * frame + draw + 1)
            alone = expert(noisy[at], t[at], context[frame : frame + 1], mask[frame : frame + 1])
            torch.testing.assert_close(together[at], alone, atol=1e-4, rtol=1e-4)


def test_what_the_mask_hides_changes_nothing():
    attention = Attention(16, 4)
    x, context = torch.randn(2, 3, 16), torch.randn(2, 5, 16)
    mask = torch.tensor([[True, True, True, False, False]] * 2)
    changed = context.clone()
    changed[:, 3:] = 9.0
    torch.testing.assert_close(attention(x, context, mask), attention(x, changed, mask))
    assert not torch.allclose(attention(x, context), attention(x, changed))


def test_sines_have_the_periods_asked_for():
    t = torch.tensor([0.0, 4e-3, 4.0])
    embedded = sinusoidal(t, 16)
    assert embedded.shape == (3, 16)
    np.testing.assert_allclose(embedded[1, 0], 0.0, atol=1e-5)  # one shortest period
    np.testing.assert_allclose(embedded[2, 7], 0.0, atol=1e-5)  # one longest period
    np.testing.assert_allclose(embedded[0, 8:], 1.0)


def test_words_are_stable_ids():
    assert word_ids("Pick up the red CUBE", 2048, 8) == word_ids("pick, up the red cube!", 2048, 8)
    assert word_ids("pick", 2048, 3) == [1 + zlib.crc32(b"pick") % 2047, 0, 0]
    assert word_ids("", 2048, 3) == [0, 0, 0]
    assert len(word_ids("a " * 100, 2048, 32)) == 32
    assert all(0 < word < 2048 for word in word_ids("pull the blue cube", 2048, 4))


def test_a_batch_hashes_each_sentence_once(monkeypatch):
    hashed = []

    def hash_words(sentence, *sizes):
        hashed.append(sentence)
        return word_ids(sentence, *sizes)

    monkeypatch.setattr(processor_flow, "word_ids", hash_words)
    step = processor_flow.WordsProcessorStep(64, 4)
    tasks = ["pick it up", "push", "pick it up", "push"]
    batch = {"observation": {"observation.state": torch.zeros(4, 8)}, "complementary_data": {"task": tasks}}
    found = step(batch)["observation"]["observation.language.tokens"]
    assert (found.dtype, found.tolist()) == (torch.int64, [word_ids(task, 64, 4) for task in tasks])
    assert hashed == ["pick it up", "push"]


def test_reduced_pictures_are_area_averages():
    image = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    small = reduce_to(image, (4, 4))
    expected = image.float().reshape(2, 3, 4, 2, 4, 2).mean(dim=(3, 5)) / 255
    torch.testing.assert_close(small, expected)
    assert torch.equal(reduce_to(expected, (4, 4)), expected)


def test_shift_moves_whole_pixels_and_repeats_edges():
    images = torch.rand(4, 2, 3, 16, 16)
    moved = shift(images, 3)
    assert moved.shape == images.shape
    assert torch.equal(shift(images, 0), images)
    for picture, original in zip(moved.flatten(0, 1), images.flatten(0, 1), strict=True):
        found = [
            (dy, dx)
            for dy in range(-3, 4)
            for dx in range(-3, 4)
            if torch.equal(
                picture, original[:, (torch.arange(16) + dy).clamp(0, 15)][:, :, (torch.arange(16) + dx).clamp(0, 15)]
            )
        ]
        assert found


def test_jitter_keeps_pictures_in_range():
    images = torch.rand(4, 2, 3, 8, 8)
    changed = jitter(images, 0.2)
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert (changed - images).abs().max() < 0.35
    assert not torch.equal(changed, images)
    assert torch.equal(jitter(images, 0.0), images)


def test_the_backbone_is_torchvisions_or_narrower():
    torch.manual_seed(0)
    theirs = nn.Sequential(*list(torchvision.models.resnet18(weights=None, zero_init_residual=True).children())[:-2])
    torch.manual_seed(0)
    ours = _resnet18(64).state_dict()
    assert theirs.state_dict().keys() == ours.keys()
    assert all(torch.equal(value, ours[name]) for name, value in theirs.state_dict().items())
    assert _resnet18(8)(torch.zeros(1, 3, 64, 64)).shape == (1, 64, 2, 2)


def test_a_stored_goal_is_seen():
    shape = {"observation.images.image": (3, 32, 32), "observation.state": (8,), "observation.environment_state": (3,)}
    kinds = (FeatureType.VISUAL, FeatureType.STATE, FeatureType.ENV)
    inputs = {name: PolicyFeature(kind, size) for (name, size), kind in zip(shape.items(), kinds, strict=True)}
    outputs = {"action": PolicyFeature(FeatureType.ACTION, (7,))}
    config = FlowConfig(
        device="cpu", image_size=(32, 32), width=64, action_layers=1, input_features=inputs, output_features=outputs
    )
    policy = FlowPolicy(config).eval()
    batch = {name: torch.zeros(1, *size) for name, size in shape.items()}
    batch["observation.language.tokens"] = torch.ones(1, config.max_words, dtype=torch.long)
    one, same, other = (
        policy.model.encoder(policy._images(batch), policy._state(batch), batch["observation.language.tokens"])[0]
        for batch["observation.environment_state"] in (torch.zeros(1, 3), torch.zeros(1, 3), torch.ones(1, 3))
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
