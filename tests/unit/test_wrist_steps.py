"""Which steps tell how the hand's camera is mounted."""

import numpy as np

from mstool.validators.checks.video_wrist import distinct


def test_a_step_that_is_stored_twice_counts_once_and_a_mistaken_shift_never():
    rng = np.random.default_rng(0)
    moved, shifts = rng.normal(size=(41, 2)), rng.uniform(-5, 5, size=(41, 2))
    shifts[0] = 40.0
    once, its_shifts = distinct(np.tile(moved, (2, 1)), np.tile(shifts, (2, 1)))
    assert {(*a, *b) for a, b in zip(once, its_shifts, strict=True)} == {
        (*a, *b) for a, b in zip(moved[1:], shifts[1:], strict=True)
    }
    assert len(once) == 40
    assert distinct(np.zeros((0, 2)), np.zeros((0, 2)))[0].shape == (0, 2)
