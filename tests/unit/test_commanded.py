"""Whether an episode's commands are its own, on nine episodes of PushCube; in one the hand is caught on the cube."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mstool.validators.checks.meaning_follower import BestFollower
from mstool.validators.commanded import CONTACT, ODD_EPISODE, Commanded
from mstool.validators.meanings import Meaning
from mstool.validators.tracks import Track

CAUGHT = 164


@pytest.fixture(scope="module")
def found():
    """Return the tracks; what `Commanded` reads of them is real (m and rad), the rest is nothing."""
    with np.load(Path(__file__).parents[1] / "data" / "caught_hand.npz") as kept:
        numbers = sorted(int(name.rpartition("_")[2]) for name in kept if name.startswith("moved"))
        nothing = np.zeros((0, 3))
        return [
            Track(
                n, nothing, nothing, nothing, kept[f"moved_{n}"].astype(np.float64),
                kept[f"commanded_{n}"].astype(np.float64), None, nothing,
            )
            for n in numbers
        ]  # fmt: skip


def odd(commanded):
    scores, shares = zip(*commanded.scores(), strict=True)
    typical, usual = np.median(scores), np.median(shares)
    return [i for i, (a, b) in enumerate(commanded.scores()) if a < ODD_EPISODE * typical and b < CONTACT * usual]


def test_a_caught_hand_is_odd_but_moves_as_its_own_commands_have_it(found):
    commanded = Commanded(found)
    (number,) = odd(commanded)
    assert found[number].episode == CAUGHT
    assert commanded.unlike_others(number)


def test_commands_of_another_episode_are_not_its_own(found):
    a, b = found[0], found[3]
    length = min(len(a.moved), len(b.moved))
    a, b = (replace(t, moved=t.moved[:length], commanded=t.commanded[:length]) for t in (a, b))
    swapped = [replace(a, commanded=b.commanded), *found[1:3], replace(b, commanded=a.commanded), *found[4:]]
    commanded = Commanded(swapped)
    assert not commanded.unlike_others(0)
    assert not commanded.unlike_others(3)


def test_commands_in_another_order_are_not_its_own(found):
    rng = np.random.default_rng(1)
    for number, track in enumerate(found):
        shuffled = [*found]
        shuffled[number] = replace(track, commanded=rng.permutation(track.commanded))
        assert not Commanded(shuffled).unlike_others(number), track.episode


@pytest.fixture
def meaning():
    return Meaning("record", "libero", "eef_axis_angle", "ee_delta", gain=0.4)


def best_share(meaning, track):
    shares = BestFollower()._fits(meaning, [track], [0, 1, 2])
    return max(share for share, _ in shares)


def test_a_hand_that_is_held_still_by_the_table_follows_its_commands(found, meaning):
    for track in found:
        standing = (np.abs(track.moved[:, :3]) < 2e-4).all(1)
        assert standing[-5:].all()
        assert np.abs(track.commanded[-5:, :3]).max() > 0.001  # it is told to move, m
        if track.episode != CAUGHT:
            assert best_share(meaning, track) > 0.85, track.episode


def test_noise_in_commands_of_an_episode_is_seen(found, meaning):
    rng = np.random.default_rng(0)
    for track in found:
        noise = rng.normal(0, 2 * track.commanded[:, :3].std(0), (len(track.commanded), 3))
        noisy = np.concatenate([track.commanded[:, :3] + noise, track.commanded[:, 3:]], axis=1)
        assert best_share(meaning, replace(track, commanded=noisy)) < 0.7, track.episode
