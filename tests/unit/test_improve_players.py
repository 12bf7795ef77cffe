"""Who plays, and what comes out: known answers for known counts."""

import pytest

from mstool.improvement.players import BEGUN, at_play, latest, result

FQL = ("flow", "actor")


def points(**counts):
    """A point of each player, given (ended solved, episodes), in rounds of 8 at most."""
    found = [{"episodes": 0, "phase": "demos"}]
    for player, (solved, episodes) in counts.items():
        for first in range(0, episodes, 8):
            count = min(8, episodes - first)
            own = {"episodes": count, "at_end": max(0, min(count, solved - first))}
            found.append({"episodes": count, "played": {player: own}})
    return found


def test_the_latest_episodes_of_a_player_are_whole_rounds():
    seen = points(policy=(8, 48), flow=(16, 80), actor=(1, 4))
    assert str(latest(seen, BEGUN)) == "8 of 48"
    assert str(latest(seen, "flow")) == "0 of 64", "the first 16 are too long ago"
    assert str(latest(seen, "actor")) == "1 of 4"
    assert str(latest(seen, "nobody")) == "0 of 0"


@pytest.mark.parametrize(
    ("counts", "distilled", "players"),
    [
        ({}, True, (BEGUN,)),
        ({"policy": (40, 47)}, True, (BEGUN,)),
        ({"policy": (40, 48)}, False, ("flow",)),
        ({"policy": (40, 48)}, True, FQL),
        ({"policy": (40, 48), "flow": (40, 48), "actor": (40, 47)}, True, FQL),
        ({"policy": (40, 48), "flow": (40, 48), "actor": (39, 48)}, True, FQL),
        ({"policy": (40, 48), "flow": (40, 48), "actor": (40, 48)}, True, ("actor",)),
        # It took over, and lost what it could.
        ({"policy": (40, 48), "flow": (40, 48), "actor": (48, 112)}, True, FQL),
    ],
)
def test_the_actor_takes_over_when_it_is_no_worse(counts, distilled, players):
    assert tuple(at_play(points(**counts), FQL, distilled=distilled)) == players


def test_a_method_without_an_actor_plays_after_the_policy_as_it_began():
    assert at_play(points(policy=(1, 40)), ("best-of-n",), distilled=True) == (BEGUN,)
    assert at_play(points(policy=(1, 48)), ("best-of-n",), distilled=True) == ("best-of-n",)


@pytest.mark.parametrize(
    ("counts", "player", "why"),
    [
        ({"policy": (30, 48), "flow": (40, 48), "actor": (47, 64)}, "flow", "flow solved 40 of 48 own episodes"),
        ({"policy": (30, 48), "flow": (40, 48), "actor": (58, 64)}, "actor", "the policy as it began 30 of 48"),
        ({"policy": (44, 48), "flow": (45, 48), "actor": (40, 48)}, BEGUN, "nothing was seen to be better"),
        ({"policy": (44, 48), "flow": (20, 48), "actor": (20, 48)}, BEGUN, "nothing was seen to be better"),
        ({"policy": (30, 48), "flow": (47, 47)}, BEGUN, "too few own episodes to judge what was learnt: policy 48"),
        ({"policy": (0, 40), "flow": (48, 48)}, BEGUN, "policy 40, flow 48, actor 0, of 48 each"),
        ({}, BEGUN, "too few own episodes"),
    ],
)
def test_what_comes_out_was_seen_to_be_better(counts, player, why):
    found = result(points(**counts), FQL)
    assert found.player == player
    assert why in found.why
    assert found.to_json()["result"] == player
