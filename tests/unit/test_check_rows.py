"""MS206 and MS210 on what long datasets and scripted experts give: neither is a fault."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mstool.validators.checks.episode_rows import Beginnings, RecordedOnce
from mstool.validators.checks.timing import asked_times
from mstool.validators.report import Issue


@given(st.integers(0, 400_000), st.integers(1, 400), st.sampled_from([5, 10, 15, 20, 24, 30, 50, 60]))
def test_times_asked_for_are_those_that_lerobot_asks_for(frames_before, length, fps):
    start = frames_before / fps
    column = torch.tensor([i / fps for i in range(length)], dtype=torch.float32)
    # lerobot 0.6.1, datasets/dataset_reader.py, then video_utils.py.
    shifted = torch.tensor([start + time.item() for time in column])
    np.testing.assert_array_equal(asked_times(start, length, fps), shifted.numpy())
    shown = torch.tensor([(frames_before + i) / fps for i in range(length)])
    assert (torch.abs(shifted - shown) < 1e-4).all()


def keys(text):
    return [letter.encode() for letter in text]


def common(text, *others):
    beginnings = Beginnings()
    for other in others:
        beginnings.add(keys(other))
    return beginnings.common(keys(text))


def test_a_beginning_that_others_have_is_no_copy():
    assert common("abcxrstqpo", "abcdefgh", "abcxyzuvw") == 4  # three rows of the first, and one of the second
    assert common("mabcdefgh", "abcdefgh") == 0  # the same rows, elsewhere
    assert common("abcxrstqpo") == 0


def test_a_beginning_may_be_most_of_an_episode():
    # libero_object/0: an object that lies where it always does is approached and grasped alike.
    assert common("abcdefuv", "abcdefxyz") == 6


def test_a_copy_or_a_part_is_no_beginning():
    assert common("abcdefgh", "abcdefgh") == 0
    assert common("abcd", "abcdefgh") == 0  # its first half, stored again
    assert common("abcdefgh", "abcd") == 0  # the half came first
    assert common("abcdefgh", "abcd", "abcduvwxyz") == 0  # and another begins with it
    assert common("abcdefghiX", "abcdefghij") == 0  # all but its last row
    assert common("", "abcd") == 0


@pytest.mark.parametrize(("second", "status"), [("prefix", "passed"), ("copy", "failed"), ("later", "failed")])
def test_episodes_that_begin_alike_pass_and_copies_fail(second, status):
    rng = np.random.default_rng(0)
    first, own = np.cumsum(rng.normal(size=(100, 8)), axis=0), np.cumsum(rng.normal(size=(100, 8)), axis=0)
    other = {"prefix": np.r_[first[:65], own[65:]], "copy": first, "later": np.r_[own[:40], first[40:]]}[second]
    found = list(RecordedOnce().run(sampled(first, other)))
    assert [isinstance(each, Issue) for each in found] == [status == "failed"]
    if status == "passed":
        assert "65 of 99 moving rows of episode 1" in found[0].text


def sampled(*episodes):
    """Return what the check asks of a dataset that mstool converted."""
    features = {"observation.state": {"dtype": "float32", "shape": [8], "names": None}}
    rows = [SimpleNamespace(episode=i, columns={"observation.state": each}) for i, each in enumerate(episodes)]
    record = SimpleNamespace(converted=True)
    data = SimpleNamespace(sample=rows, record=record, features=features, need_columns=lambda *_: None)
    return SimpleNamespace(data=data)
