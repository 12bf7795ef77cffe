"""MS315: a wrist view that does not follow is only called so where the hand changes its pace."""

from types import SimpleNamespace

import numpy as np
import pytest

from mstool.validators.checks import video_time
from mstool.validators.checks.video_time import InTime, Pair, unevenness
from mstool.validators.report import Issue


def pairs(amount):
    """Return two films of sixty steps whose image changes have nothing to do with the hand's."""
    rng = np.random.default_rng(3)
    clip = SimpleNamespace(episode=0, film=np.zeros(61))
    return [Pair(clip, amount * rng.choice([-1.0, 1.0], 60), rng.normal(size=60)) for _ in range(2)]


def test_unevenness_is_the_root_mean_square_of_the_middle():
    changes = np.r_[np.full(6, 9.0), [0.3, -0.3, 0.3, -0.3], np.full(6, 9.0)]
    assert unevenness([Pair(None, changes, changes)] * 2) == pytest.approx(0.3)


@pytest.fixture
def films(monkeypatch):
    """Let the check see one view's films: called with the view and its pairs."""

    def show(view, found):
        monkeypatch.setattr(video_time, "tracks", lambda _: (SimpleNamespace(source="record"), []))
        monkeypatch.setattr(video_time, "seen", lambda _: {view: ["film"]})
        monkeypatch.setattr(video_time, "uniform", lambda _: False)
        monkeypatch.setattr(video_time, "declared_view", lambda *_: view)
        monkeypatch.setattr(video_time, "_paired", lambda *_: [found])
        monkeypatch.setattr(video_time, "shows", lambda *_: ())

    return show


def late(count, lag=-1):
    """Return films whose images change most as the hand did a step later, and 0.17 less as it does."""
    rng = np.random.default_rng(4)
    clip = SimpleNamespace(episode=0, film=np.zeros(41))
    found = []
    for _ in range(count):
        hand = 0.28 * rng.normal(size=400)
        image = 0.45 * hand + 0.62 * np.roll(hand, lag) + 0.64 * 0.28 * rng.normal(size=400)
        found.append(Pair(clip, hand, image))
    return found


@pytest.mark.parametrize(("count", "found"), [(1, False), (4, True)])
def test_one_film_alone_must_be_clearer(count, found, films):
    shown = late(count)
    together = video_time.correlation(shown)
    assert 0.1 < together[-1] - together[0] < 0.25
    films("base", shown)
    assert any(isinstance(each, Issue) for each in InTime().run(None)) == found


@pytest.mark.parametrize(("amount", "found"), [(0.28, True), (0.08, False)])  # planners' arms; LIBERO's expert
def test_only_an_uneven_pace_tells(films, amount, found):
    films("wrist", pairs(amount))
    said = []
    try:
        said += InTime().run(None)
    except video_time.Skip:
        assert not found
    assert any(isinstance(each, Issue) for each in said) == found
