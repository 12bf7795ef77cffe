"""The part of a chunk's noise that is chosen, and the part that stays as it was drawn."""

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given
from hypothesis import strategies as st

from mstool.improvement.dsrl import FIRST_SPREAD
from mstool.training.flow.improved import NOISE_BOUND, WAVES, Steered, slow, steered, waves

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 50), st.integers(1, 8))


def drawn(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(SIZES, st.integers(0, 99))
def test_the_coefficients_are_those_of_the_cosine_transform(shape, seed):
    noise = drawn(shape, seed)
    wanted = scipy.fft.dct(noise.numpy(), type=2, norm="ortho", axis=1)[:, :WAVES]
    np.testing.assert_allclose(slow(noise, shape[2]), wanted.reshape(shape[0], -1), atol=1e-6)


@given(SIZES, st.integers(0, 99), st.data())
def test_what_is_chosen_is_what_the_noise_has_and_the_rest_is_as_drawn(shape, seed, data):
    size = data.draw(st.integers(1, shape[2]))
    noise, chosen = drawn(shape, seed), drawn((shape[0], min(WAVES, shape[1]) * size), seed + 1)
    found = steered(noise, chosen)
    np.testing.assert_allclose(slow(found, size), chosen, atol=1e-6)
    every, before = (scipy.fft.dct(each.numpy(), type=2, norm="ortho", axis=1) for each in (found, noise))
    np.testing.assert_allclose(every[:, WAVES:], before[:, WAVES:], atol=1e-6)
    assert torch.equal(found[..., size:], noise[..., size:])
    # What it has already changes nothing: the policy as it began is one of those that can be chosen.
    np.testing.assert_allclose(steered(noise, slow(noise, size)), noise, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 3, 4, 32])
def test_waves_are_orthonormal(steps):
    basis = waves(steps)
    assert basis.shape == (min(WAVES, steps), steps)
    torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis), dtype=torch.float64))


def test_an_untrained_choice_has_the_spread_of_noise():
    spread = NOISE_BOUND * torch.tanh(FIRST_SPREAD * drawn((100_000,), 0))
    assert float(spread.std()) == pytest.approx(1, abs=0.05)


def test_acting_draws_with_the_mean_and_keeps_the_fast_waves():
    torch.manual_seed(0)
    actor = Steered(16, 1, WAVES * 2, hidden=32)
    noise, context, mask = torch.randn(3, 8, 2), torch.randn(3, 5, 16), torch.ones(3, 5, dtype=torch.bool)
    with torch.no_grad():
        wanted = actor.noise(actor(context, mask)[0])
        found = actor.sample(lambda given: given, noise, context, mask)
    torch.testing.assert_close(slow(found, 2), wanted)
    assert not torch.allclose(found, noise)
