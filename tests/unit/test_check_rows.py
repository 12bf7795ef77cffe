"""MS206 and MS210 on what long datasets and scripted experts give: neither is a fault."""

from collections import Counter

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from mstool.validators.checks.episode_rows import common_start
from mstool.validators.checks.timing import asked_times


@given(st.integers(0, 400_000), st.integers(1, 400), st.sampled_from([5, 10, 15, 20, 24, 30, 50, 60]))
def test_times_asked_for_are_those_that_lerobot_asks_for(frames_before, length, fps):
    start = frames_before / fps
    column = torch.tensor([i / fps for i in range(length)], dtype=torch.float32)
    # lerobot 0.6.1, datasets/dataset_reader.py, then video_utils.py.
    shifted = torch.tensor([start + time.item() for time in column])
    np.testing.assert_array_equal(asked_times(start, length, fps), shifted.numpy())
    shown = torch.tensor([(frames_before + i) / fps for i in range(length)])
    assert (torch.abs(shifted - shown) < 1e-4).all()


def seen_of(*episodes):
    seen = {}
    for number, keys in enumerate(episodes):
        seen |= {key: (number, i) for i, key in enumerate(keys) if key not in seen}
    return seen, Counter({number: len(keys) for number, keys in enumerate(episodes)})


def keys(text):
    return [letter.encode() for letter in text]


def test_a_beginning_that_others_have_is_no_copy():
    seen = seen_of(keys("abcdefgh"), keys("abcxyzuvw"))
    assert common_start(keys("abcxrstqpo"), *seen) == 4  # three rows of the first, and one of the second
    assert common_start(keys("mabcdefgh"), *seen) == 0  # the same rows, elsewhere


def test_a_copy_or_a_part_is_no_beginning():
    assert common_start(keys("abcdefgh"), *seen_of(keys("abcdefgh"))) == 0
    assert common_start(keys("abcd"), *seen_of(keys("abcdefgh"))) == 0  # its first half, stored again
    assert common_start(keys("abcdefgh"), *seen_of(keys("abcd"))) == 0  # the half came first
    assert common_start([], *seen_of(keys("abcd"))) == 0
