"""Reinforcement learning on problems whose answer is known: a chain, and a reach with a good and a bad mode."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from mstool.improvement.bc_success import BcSuccess
from mstool.improvement.best_of_n import BestOfNMethod
from mstool.improvement.critic import Values
from mstool.improvement.dsrl import Dsrl, bounded
from mstool.improvement.fql import Fql
from mstool.improvement.method import FlowBase, Hyper, frozen
from mstool.improvement.replay import Replay, mix
from mstool.improvement.rewards import returns, rewards
from mstool.improvement.rows import Episode, Sizes
from mstool.training.flow.improved import ChunkCritic
from mstool.training.flow.network import ActionExpert
from mstool.training.flow.objective import FlowMatching

GAMMA, WIDTH = 0.9, 16


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def seen(*states):
    """Frames that show which state it is: one token each, a one-hot."""
    tokens = torch.zeros(len(states), 1, WIDTH)
    tokens[torch.arange(len(states)), 0, torch.tensor(states)] = 4.0
    return tokens, torch.ones(len(states), 1, dtype=torch.bool)


def test_rewards_are_for_being_solved():
    solved = np.array([False, True, False, True])
    np.testing.assert_allclose(rewards(solved, 0.9), [0, 0.1, 0, 0.1])
    np.testing.assert_allclose(returns(np.array([0.0, 1.0, 2.0]), 0.5, 4.0), [1.5, 3.0, 4.0])


def chain(length, steps, *, gamma=GAMMA):
    """A demo of `length` actions that is solved by its last one."""
    tokens, mask = seen(*range(length))
    replay = Replay(Sizes(1, WIDTH, 3, steps, 1), 2 * length, gamma)
    solved = np.arange(length) == length - 1
    replay.add(Episode(tokens, mask, np.arange(length), np.ones((length, 1), np.float32), solved))
    return replay


@pytest.mark.parametrize("steps", [1, 3])
def test_chunked_temporal_differences_give_the_exact_values_of_a_chain(steps):
    replay = chain(9, steps)
    values = Values(ChunkCritic(WIDTH, 1, steps, hidden=64, layers=2), tau=0.2)
    optimizer = torch.optim.Adam(values.critic.parameters(), lr=3e-3, foreach=True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        batch = replay.sample(64, generator).to("cpu")
        loss = values.loss(batch, batch.chunk[:, :steps], values.future(batch, torch.ones(64, 1, steps, 1)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.follow()
    tokens, mask = seen(*range(9))
    found = values.critic(tokens, mask, torch.ones(len(tokens), 1, steps, 1)).squeeze(-1).detach()
    # 1 - gamma at the last action; then solved for ever, which is worth 1.
    exact = GAMMA ** (8 - torch.arange(len(tokens)).float()) + 0.0
    torch.testing.assert_close(found, exact.expand(2, -1), atol=0.05, rtol=0)


def test_a_window_goes_to_the_next_look_or_to_the_end():
    rows = chain(5, 3).rows
    assert rows["next"][:5].tolist() == [3, 4, -1, -1, -1]
    assert rows["discount"][:3].tolist() == pytest.approx([GAMMA**3, GAMMA**3, 0])
    np.testing.assert_allclose(rows["reward"][:5], [0, 0, GAMMA**2, GAMMA, 1], rtol=1e-6)
    assert rows["valid"][4].tolist() == [True, False, False]
    tokens, mask = seen(0, 1)
    own = Replay(Sizes(1, WIDTH, 3, 3, 1), 8, GAMMA)
    own.add(Episode(tokens, mask, np.array([0, 3]), np.ones((6, 1), np.float32), np.ones(6, bool)))
    np.testing.assert_allclose(own.rows["reward"][:2], [0.1 * (1 + GAMMA + GAMMA**2), 1], rtol=1e-6)
    np.testing.assert_allclose(own.rows["back"][:2], [1, 1], rtol=1e-6)
    own.add(Episode(tokens, mask, np.array([0, 3]), np.ones((6, 1), np.float32), np.zeros(6, bool)))
    assert own.rows["reward"][2:4].tolist() == [0, 0]


def test_to_leave_the_goal_and_reach_it_again_is_worth_less_than_to_stay():
    replay = Replay(Sizes(1, WIDTH, 1, 1, 1), 64, GAMMA)
    stayed, left = [0, 1, 1, 1, 1], [0, 1, 0, 1, 1]  # not solved, solved
    for states in (stayed, stayed, left):
        tokens, mask = seen(*states)
        after = np.array([*states[1:], 1])
        replay.add(Episode(tokens, mask, np.arange(5), 2.0 * after[:, None].astype(np.float32) - 1, after == 1))
    known = {(0, 1.0): 0.0, (1, 1.0): 0.0, (1, -1.0): 0.0}  # by state and action: to the goal, stay, leave
    states, go = replay.rows["tokens"][:15, 0].argmax(-1).tolist(), replay.rows["chunk"][:15, 0, 0].tolist()
    for _ in range(100):  # exact temporal differences: the mean over equal rows
        goals = {key: [] for key in known}
        for row, key in enumerate(zip(states, go, strict=True)):
            later = known[states[int(replay.rows["next"][row])], 1.0]
            goals[key].append(float(replay.rows["reward"][row] + replay.rows["discount"][row] * later))
        known = {key: float(np.mean(each)) for key, each in goals.items()}
    assert known[1, 1.0] == pytest.approx(1, abs=1e-4)
    assert known[1, -1.0] == pytest.approx(GAMMA, abs=1e-4)


def test_the_oldest_rows_make_way_and_rows_travel():
    replay = Replay(Sizes(1, WIDTH, 1, 1, 1), 5, GAMMA)
    for state in range(4):
        tokens, mask = seen(state, state, state)
        replay.add(Episode(tokens, mask, np.arange(3), np.full((3, 1), state, np.float32), np.zeros(3, bool)))
    assert len(replay) == 5
    assert sorted(replay.rows["chunk"].flatten().tolist()) == [2, 2, 3, 3, 3]
    other = Replay(replay.sizes, 5, GAMMA)
    other.added = 7  # as where the older ones were added and made way
    other.extend(replay.since(0))
    assert all(torch.equal(other.rows[name], values) for name, values in replay.rows.items())
    assert replay.since(10)["chunk"].flatten().tolist() == [3, 3]


def test_half_of_a_batch_is_demos():
    demos, own = chain(5, 1), Replay(Sizes(1, WIDTH, 3, 1, 1), 4, GAMMA)
    generator = torch.Generator().manual_seed(0)
    assert mix(demos, own, 8, generator).chunk[:, 0].eq(1).all()
    tokens, mask = seen(7, 7)
    own.add(Episode(tokens, mask, np.arange(2), np.zeros((2, 1), np.float32), np.zeros(2, bool)))
    assert mix(demos, own, 8, generator).chunk[:, 0].sum() == 4
    assert mix(demos, own, 8, generator, solved=True).chunk[:, 0].eq(1).all()
    with pytest.raises(LookupError):
        mix(None, own, 8, generator, solved=True)


def modes(count, generator):
    side = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    return torch.stack([side, torch.zeros(count)], -1)[:, None] + 0.05 * torch.randn(count, 1, 2, generator=generator)


@pytest.fixture(scope="module")
def base():
    """A flow that goes left or right, each half of the time, whatever it sees."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    objective = FlowMatching()
    expert = ActionExpert(action_size=2, chunk_size=1, width=WIDTH, heads=1, layers=1)
    optimizer = torch.optim.Adam(expert.parameters(), lr=3e-3, foreach=True)
    tokens, mask = seen(*[0, 1, 2] * 24)
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        actions = modes(len(tokens), generator)
        noise, t = torch.randn(actions.shape, generator=generator), objective.times(len(tokens), torch.device("cpu"))
        noisy, target = objective.path(actions, noise, t)
        loss = (expert(noisy, t, tokens, mask) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return FlowBase(
        tokens=1, width=WIDTH, heads=1, chunk=1, action=2, noise=2, steps=1,
        expert=expert.requires_grad_(False), objective=objective, sampling=6,
    )  # fmt: skip


def played(base, act, count, seed):
    """Episodes of the reach: the first action decides, right solves it for good; state 0, then 1 solved or 2 not."""
    tokens, mask = seen(*[0] * count)
    noise = torch.randn(count, 1, 2, generator=torch.Generator().manual_seed(seed))
    chunks, extra = act(lambda eps: base.draw(base.expert, eps, tokens, mask), noise, tokens, mask)
    found = []
    for chunk, own in zip(chunks, extra, strict=True):
        right = bool((chunk[0] - torch.tensor([1.0, 0.0])).norm() < 0.4)
        states, marks = seen(0, *[1 if right else 2] * 3)
        actions = chunk.expand(4, 2).numpy().copy()
        found.append(Episode(states, marks, np.arange(4), actions, np.full(4, right), extra=own.expand(4, *own.shape)))
    return found


def rate(base, act, seed=99):
    return float(np.mean([episode.success for episode in played(base, act, 200, seed)]))


@pytest.mark.parametrize(
    ("kind", "lr", "updates", "reached"),
    [(Fql, 3e-3, 60, 0.9), (BestOfNMethod, 1e-3, 40, 0.9), (Dsrl, 3e-3, 40, 0.9), (BcSuccess, 3e-3, 40, 0.6)],
)
def test_the_better_of_two_modes_wins(base, kind, lr, updates, reached):
    hyper = Hyper(lr=lr, batch_size=64, alpha=0.3, gamma=GAMMA, candidates=6, hidden=32)
    method = kind(base, hyper, "cpu", 0)
    demos, own = (Replay(Sizes(1, WIDTH, 1, 1, 2, method.extra), 2000, GAMMA) for _ in range(2))
    player = list(kind.players)[-1]
    assert rate(base, method.as_began()) == pytest.approx(0.45, abs=0.15)
    if method.offline:
        for episode in played(base, method.as_began(), 60, 1):
            demos.add(episode)
        for _ in range(updates):
            method.update(demos, own, "demos")
    for number in range(4):
        for episode in played(base, method.acting(player), 40, number):
            own.add(episode)
        for _ in range(updates):
            losses = method.update(demos, own, "critic" if number == 0 else "online")
            assert all(np.isfinite(value) for value in losses.values())
    assert rate(base, method.acting(player)) > reached


def test_a_frozen_copy_runs_its_own_passes():
    module = torch.nn.Sequential(torch.nn.Linear(2, 1))
    module[0].forward = lambda _: "a recording of the module's own weights"
    copy = frozen(module)
    assert torch.equal(copy(torch.zeros(1, 2)), module[0].bias[None])
    assert module(torch.zeros(1, 2)).startswith("a recording")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("kind", [Fql, BestOfNMethod, BcSuccess, Dsrl])
def test_recorded_networks_learn_as_eager_ones(base, kind):
    base = replace(base, expert=deepcopy(base.expert).cuda())
    hyper = Hyper(lr=1e-3, batch_size=64, alpha=0.3, gamma=GAMMA, candidates=6, hidden=32)
    replay = Replay(Sizes(1, WIDTH, 1, 1, 2, kind(base, hyper, "cuda", 0).extra), 2000, GAMMA)
    tokens, mask = seen(*[0, 1, 1, 1] * 10)
    for look in range(0, 40, 4):
        four = slice(look, look + 4)
        actions, extra = np.full((4, 2), look / 40, np.float32), torch.ones(4, *replay.sizes.extra) / 3
        replay.add(Episode(tokens[four], mask[four], np.arange(4), actions, np.full(4, look > 8), extra))
    learnt = {}
    for recorded in (False, True):
        method = kind(base, hyper, "cuda", 0)
        if recorded:
            method.record()
        losses = [method.update(replay, replay, phase) for phase in ("demos", "critic", "online") for _ in range(4)]
        acted = method.acting(list(kind.players)[-1])
        for _ in range(4):  # what acts stays as it was
            method.update(replay, replay, "online")
        cuda = tokens.cuda(), mask.cuda()
        noise = torch.ones(len(tokens), 1, 2, device="cuda")
        chunks, _ = acted(lambda eps, cuda=cuda: base.draw(base.expert, eps, *cuda), noise, *cuda)
        learnt[recorded] = losses, chunks.cpu()
    for one, other in zip(*(losses for losses, _ in learnt.values()), strict=True):
        # The actor's is a difference of terms of about 1, which bfloat16 tells apart to 1/256.
        assert one == pytest.approx(other, rel=3e-2, abs=5e-3)
    torch.testing.assert_close(learnt[True][1], learnt[False][1], atol=2e-2, rtol=0)


def test_values_are_float32_where_the_rest_is_not():
    critic = ChunkCritic(WIDTH, 1, 2, hidden=32, layers=2)
    tokens, mask = seen(0, 1, 2)
    actions = torch.randn(3, 1, 1, 2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = critic(tokens.bfloat16(), mask, actions)
    with torch.no_grad():
        assert torch.equal(found, critic(tokens, mask, actions))


def test_the_density_of_bounded_noise_is_the_transformed_one():
    mean, spread, noise = torch.tensor([[0.3, -0.2]]), torch.tensor([[-0.5, 0.1]]), torch.tensor([[0.7, -1.1]])
    at, log = bounded((mean, spread), noise)
    normal = torch.distributions.Normal(mean, spread.exp())
    known = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform())
    torch.testing.assert_close(log, known.log_prob(torch.tanh(at)).sum(-1))


@pytest.mark.parametrize("kind", [Fql, Dsrl])
def test_a_method_goes_on_exactly_where_it_was(base, kind):
    hyper = Hyper(batch_size=8, gamma=GAMMA, hidden=32)
    first, second = kind(base, hyper, "cpu", 0), kind(base, hyper, "cpu", 7)
    own = Replay(Sizes(1, WIDTH, 1, 1, 2, first.extra), 100, GAMMA)
    for episode in played(base, first.as_began(), 8, 0):
        own.add(episode)
    first.update(own, own, "online")
    second.load(deepcopy(first.state()))
    assert first.update(None, own, "online") == second.update(None, own, "online")
    for player in kind.players:
        assert all(torch.equal(value, second.weights(player)[name]) for name, value in first.weights(player).items())
