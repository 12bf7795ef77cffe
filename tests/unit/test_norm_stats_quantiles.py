"""Quantiles, means and extremes against numpy on windows that are really built."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mstool.dataset.columns import Block
from mstool.norm_stats import windows
from mstool.norm_stats.quantiles import NAMES, QUANTILES, interpolate, neighbours
from mstool.norm_stats.radix import RadixSelector
from mstool.norm_stats.shape import measure
from mstool.norm_stats.streams import ActionStream, FrameStream, StateStream
from mstool.norm_stats.summary import VectorStats, summarise
from mstool.norm_stats.windows import frame_weights

KINDS = ("normal", "few", "constant", "huge", "tiny", "grid")


def draw_values(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    values = {
        "normal": lambda: rng.normal(size=shape),
        "few": lambda: rng.choice([-1.0, 0.0, -0.0, 1.0], size=shape),
        "constant": lambda: np.full(shape, 0.1),
        "huge": lambda: rng.normal(size=shape) * 10.0 ** rng.integers(-30, 30, size=shape),
        "tiny": lambda: rng.normal(size=shape) * 1e-42,
        "grid": lambda: rng.integers(-40, 40, size=shape) / 16 + 1000,
    }[kind]()
    return values.astype(np.float32)


def brute_windows(actions, states, lengths, horizon, mask) -> np.ndarray:
    """openpi's population, one vector per (frame, step): shape (n * horizon, A), float32 arithmetic."""
    found, start = [], 0
    for length in lengths:
        for t in range(length):
            for k in range(horizon):
                vector = actions[start + min(t + k, length - 1)].copy()
                for dim, on in enumerate(mask):
                    if on:
                        vector[dim] = vector[dim] - states[start + t][dim]
                found.append(vector)
        start += length
    return np.stack(found)


def as_blocks(actions, states, lengths, cut) -> list[Block]:
    blocks, start = [], 0
    for part in (lengths[:cut], lengths[cut:]):
        if part:
            stop = start + sum(part)
            columns = {
                "a": np.ascontiguousarray(actions[start:stop].T),
                "s": np.ascontiguousarray(states[start:stop].T),
            }
            blocks.append(Block(columns, np.array(part, dtype=np.int64)))
            start = stop
    return blocks


def assert_equals_numpy(stats: VectorStats, population: np.ndarray) -> None:
    wide = population.astype(np.float64)
    expected = np.quantile(wide, QUANTILES, axis=0)
    for name, row in zip(NAMES, expected, strict=True):
        np.testing.assert_array_equal(stats.quantiles[name], row)
    np.testing.assert_array_equal(stats.min, wide.min(axis=0))
    np.testing.assert_array_equal(stats.max, wide.max(axis=0))
    assert stats.count == len(population)
    scale = np.abs(wide).max(axis=0)
    assert (np.abs(stats.mean - wide.mean(axis=0)) <= 1e-13 * scale).all()
    assert (np.abs(stats.std - wide.std(axis=0)) <= 1e-7 * scale).all()


@st.composite
def problems(draw):
    horizon = draw(st.integers(1, 9))
    lengths = draw(st.lists(st.integers(1, horizon + 1), min_size=1, max_size=12))
    state_dims, action_dims = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    mask = draw(st.lists(st.booleans(), max_size=min(state_dims, action_dims)))
    kind = draw(st.sampled_from(KINDS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = sum(lengths)
    actions = draw_values(rng, kind, (frames, action_dims))
    states = draw_values(rng, draw(st.sampled_from(KINDS)), (frames, state_dims))
    return actions, states, lengths, horizon, tuple(mask), draw(st.integers(0, len(lengths)))


@settings(max_examples=120)
@given(problems(), st.sampled_from([3, 64, windows.PIECE]))
def test_windows_equal_brute_force(problem, piece):
    actions, states, lengths, horizon, mask, cut = problem
    blocks = as_blocks(actions, states, lengths, cut)
    streams = [
        StateStream(("s",), states.shape[1]),
        ActionStream(("a",), ("s",), actions.shape[1], horizon, mask),
        FrameStream("a", actions.shape[1], 64),
    ]
    # Small pieces put the seams inside these small episodes; hypothesis forbids the monkeypatch fixture here.
    whole, windows.PIECE = windows.PIECE, piece
    try:
        state, action, frame = summarise(lambda: blocks, streams)
    finally:
        windows.PIECE = whole
    assert_equals_numpy(state, states)
    assert_equals_numpy(action, brute_windows(actions, states, lengths, horizon, mask))
    assert_equals_numpy(frame, actions)


@settings(max_examples=150)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(1, 11))
@example([1], 1)
@example([1, 1, 1], 50)
def test_weights_count_every_window(lengths, horizon):
    expected = np.zeros(sum(lengths), dtype=np.int64)
    start = 0
    for length in lengths:
        for t in range(length):
            for k in range(horizon):
                expected[start + min(t + k, length - 1)] += 1
        start += length
    np.testing.assert_array_equal(frame_weights(np.array(lengths), horizon), expected)


def select(values: np.ndarray, ranks: list[int], weights: np.ndarray | None = None, pieces: int = 1) -> list[float]:
    selector = RadixSelector(values.dtype.itemsize * 8)
    while not selector.done:
        for part in np.array_split(np.arange(len(values)), pieces):
            selector.add(values[part], None if weights is None else weights[part])
        if selector.level == 0:
            selector.set_ranks(ranks)
        selector.end_pass()
    return selector.values()


@pytest.mark.parametrize("width", [32, 64])
def test_selection_of_any_float(width):
    @settings(max_examples=100)
    @given(
        hnp.arrays(
            np.dtype(f"f{width // 8}"),
            st.integers(1, 40),
            elements=st.floats(width=width, allow_nan=False, allow_infinity=False),
        ),
        st.data(),
    )
    def check(values, data):
        ranks = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=10))
        assert select(values, ranks, pieces=data.draw(st.integers(1, 3))) == np.sort(values)[ranks].tolist()

    check()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weighted_selection_is_that_of_repeated_values(dtype):
    rng = np.random.default_rng(5)
    values = rng.normal(size=500).astype(dtype)
    weights = rng.integers(1, 40, size=500)
    ranks = [0, 17, 4_000, int(weights.sum()) - 1]
    assert select(values, ranks, weights, pieces=4) == np.sort(np.repeat(values, weights))[ranks].tolist()


def test_selection_flushes_in_between(monkeypatch):
    monkeypatch.setattr("mstool.norm_stats.radix._FLUSH", 7)
    values = np.random.default_rng(2).normal(size=300)
    assert select(values, [3, 150, 299], pieces=20) == np.sort(values)[[3, 150, 299]].tolist()


def test_negative_zero_is_zero():
    assert str(select(np.array([-0.0, -0.0], dtype=np.float32), [1])) == "[0.0]"


@given(st.integers(1, 10**9), st.sampled_from(QUANTILES))
def test_neighbours_stay_in_range(count, quantile):
    [(low, high, fraction)] = neighbours(count, [quantile])
    assert 0 <= low <= high <= count - 1
    assert 0 <= fraction < 1


def test_interpolation_meets_both_ends():
    assert interpolate(0.1, 0.7, 0.0) == 0.1
    assert interpolate(0.1, 0.7, 1.0) == 0.7


def test_more_dimensions_than_are_looked_at_together(monkeypatch):
    monkeypatch.setattr("mstool.norm_stats.summary._TOGETHER", 3)
    values = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    block = Block({"s": np.ascontiguousarray(values.T)}, np.array([50]))
    [stats] = summarise(lambda: [block], [StateStream(("s",), 8)])
    assert_equals_numpy(stats, values)


def test_nan_and_infinity_are_counted_and_left_out():
    values = np.arange(12, dtype=np.float32).reshape(1, 12)
    values[0, 3], values[0, 4], values[0, 5] = np.nan, np.inf, -np.inf
    block = Block({"s": values}, np.array([12]))
    [stats] = summarise(lambda: [block], [StateStream(("s",), 1)])
    assert stats.nonfinite.tolist() == [3]
    assert stats.count == 12
    assert stats.q01[0] == np.quantile(np.delete(values[0].astype(np.float64), [3, 4, 5]), 0.01)
    assert (stats.min[0], stats.max[0]) == (0, 11)


def test_nothing_finite_gives_nan():
    block = Block({"s": np.full((1, 4), np.nan, dtype=np.float32)}, np.array([4]))
    [stats] = summarise(lambda: [block], [StateStream(("s",), 1)])
    assert np.isnan([stats.q01[0], stats.mean[0], stats.std[0], stats.min[0]]).all()
    assert stats.nonfinite.tolist() == [4]


def test_large_offset_keeps_the_spread():
    # E[x^2] - E[x]^2 in float32, as openpi computes it, gives 0 or noise here.
    values = (np.arange(1000) % 2 + 1e7).reshape(1, -1)
    block = Block({"i": values}, np.array([1000]))
    [stats] = summarise(lambda: [block], [FrameStream("i", 1, 64)])
    assert stats.std[0] == 0.5
    assert stats.mean[0] == 1e7 + 0.5


def test_shape_counts_what_leaves_the_range():
    rng = np.random.default_rng(3)
    actions, states = rng.normal(size=(400, 2)).astype(np.float32), rng.normal(size=(400, 2)).astype(np.float32)
    lengths, horizon, mask = [100, 300], 5, (True, False)
    blocks = as_blocks(actions, states, lengths, 1)
    streams = [ActionStream(("a",), ("s",), 2, horizon, mask)]
    stats = summarise(lambda: blocks, streams)
    [shape] = measure(lambda: blocks, streams, stats)
    population = brute_windows(actions, states, lengths, horizon, mask).astype(np.float64)
    q01, q99 = np.quantile(population, [0.01, 0.99], axis=0)
    y = (population - q01) / (q99 - q01 + 1e-6) * 2 - 1
    np.testing.assert_allclose(shape.outside, (np.abs(y) > 1).mean(axis=0), atol=1 / len(population))
    np.testing.assert_allclose(shape.extreme, np.abs(y).max(axis=0))
    assert shape.histogram.sum(axis=1).tolist() == [2000, 2000]
    for dim in range(2):
        expected, _ = np.histogram(population[:, dim], bins=shape.histogram.shape[1])
        # A value on a bin's edge may fall to either side.
        assert np.abs(np.cumsum(expected) - np.cumsum(shape.histogram[dim])).max() <= 10
