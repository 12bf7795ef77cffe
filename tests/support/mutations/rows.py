"""What happens to whole episodes: rows and images go together, and every number still fits its neighbours."""

from dataclasses import replace

import numpy as np

from mstool.contract import Array
from support.mutations.episodes import Change, Mutation, Taken

COPY, JUMP, IDLE, FOLLOW = "MS210", "MS207", "MS209", "MS208"


def each(frames: "object", episodes: tuple[int, ...] | None = None) -> Change:
    """Keep the frames that `frames(length)` gives, of some episodes or all."""

    def change(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
        return [t.at(frames(len(t))) if episodes is None or i in episodes else t for i, t in enumerate(taken)]

    return change


def without_middle(count: int) -> "object":
    return lambda n: np.r_[: n // 2, n // 2 + count : n]


def every_tenth_dropped(n: int) -> Array:
    return np.array([i for i in range(n) if i % 10 != 5])


def end_held(count: int) -> "object":
    return lambda n: np.minimum(np.arange(n + count), n - 1)


def duplicated(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
    return [*taken, taken[1]]


def duplicated_with_noise(taken: list[Taken], rng: np.random.Generator) -> list[Taken]:
    copy = replace(taken[1], action=taken[1].action + rng.normal(0, 1e-5, taken[1].action.shape))
    return [*taken, copy]


def overlapping(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
    return [*taken, taken[1].at(range(len(taken[1]) // 2, len(taken[1])))]


def split(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
    one, middle = taken[1], len(taken[1]) // 2
    return [taken[0], one.at(range(middle)), one.at(range(middle, len(one))), *taken[2:]]


def joined(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
    a, b = taken[0], taken[1]
    views = {view: np.concatenate([a.views[view], b.views[view]]) for view in a.views}
    both = replace(
        a, state=np.concatenate([a.state, b.state]), action=np.concatenate([a.action, b.action]), views=views
    )
    return [both, *taken[2:]]


def single(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
    return taken[:1]


def idle(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
    """Two seconds of standing still in the middle, with commands that ask for nothing."""
    out = []
    for t in taken:
        middle = len(t) // 2
        longer = t.at(np.r_[:middle, np.full(40, middle), middle : len(t)])
        longer.action[middle : middle + 40, :-1] = 0
        out.append(longer)
    return out


ROWS = (
    Mutation("episode duplicated", duplicated, (COPY,)),
    Mutation("episode duplicated, actions a little different", duplicated_with_noise, (COPY,)),
    Mutation("half of an episode stored again", overlapping, (COPY,)),
    Mutation("episode split in two", split, (FOLLOW,)),
    Mutation("two episodes joined", joined, (JUMP,)),
    Mutation("ten frames dropped in the middle", each(without_middle(10)), (JUMP,)),
    Mutation("ten frames dropped in the middle of one", each(without_middle(10), (1,)), (JUMP,)),
    Mutation("three frames dropped in the middle of one", each(without_middle(3), (1,)), (JUMP,)),
    Mutation("every tenth frame dropped", each(every_tenth_dropped), (JUMP, "MS512")),
    Mutation("every second frame dropped", each(lambda n: np.arange(0, n, 2)), (JUMP, "MS503", "MS512")),
    Mutation(
        "ends cut by a quarter",
        each(lambda n: np.arange(n - n // 4)),
        (),
        "a demo may end while the hand moves: nothing says where it went on to",
    ),
    Mutation(
        "end of one cut by a third",
        each(lambda n: np.arange(n - n // 3), (1,)),
        (),
        "a demo may end while the hand moves: nothing says where it went on to",
    ),
    Mutation("beginnings cut by ten frames", each(lambda n: np.arange(10, n)), ("MS511",)),
    Mutation("last frame repeated twenty times", each(end_held(20)), (IDLE,)),
    Mutation("last frame of one repeated twenty times", each(end_held(20), (1,)), (IDLE,)),
    Mutation("two seconds of standing still", idle, (IDLE,)),
    Mutation("a set of one episode", single, ("MS203",)),
)
