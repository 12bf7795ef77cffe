"""Own episodes of several players at once: each is answered by its own player, and kept with what that did."""

from types import SimpleNamespace

import numpy as np
import torch

from mstool.evaluation.policy import Observation
from mstool.improvement.acting import ActingPolicy
from mstool.improvement.frozen_policy import Seen


def answer(value):
    return lambda _draw, noise, _tokens, _mask: (noise * 0 + value, torch.full((len(noise), 1), value + 0.5))


def test_each_episode_is_answered_by_its_own_player():
    base = SimpleNamespace(
        name="toy",
        observe=len,
        noise=lambda rows: torch.zeros(len(rows), 3, 1),
        actions=lambda chunk: list(chunk.numpy()),
    )
    frozen = SimpleNamespace(
        base=SimpleNamespace(steps=2),
        see=lambda count: Seen(torch.zeros(count, 1, 4), torch.ones(count, 1, dtype=torch.bool), None),
    )
    policy = ActingPolicy(base, frozen, slots=3)
    policy.acts = {"flow": answer(1.0), "actor": answer(2.0)}
    policy.players = {("Toy-v1", 7): "flow", ("Toy-v1", 8): "actor"}
    policy.reset(2, "Toy-v1", 7)
    policy.reset(0, "Toy-v1", 8)
    seen = [Observation({}, np.zeros(1, np.float32), "", "Toy-v1", seed, 0) for seed in (8, 7)]
    first, second = policy.act([0, 2], seen)
    assert first.tolist() == [[2.0]] * 3
    assert second.tolist() == [[1.0]] * 3
    for seed, value in ((7, 1.0), (8, 2.0)):
        episode = policy.traces["Toy-v1", seed].episode(np.array([False, True]))
        assert episode.actions.tolist() == [[value]] * 2
        assert episode.extra.tolist() == [[value + 0.5]]
