"""What happens to state and actions between a simulator and a file."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from mstool.contract import Array
from support.mutations.episodes import Change, Mutation, Taken

OWN, AXES, LAG, SCALE, FROZEN, EXACT = "MS511", "MS510", "MS505", "MS512", "MS413", "MS414"
START, GRIP, SIGN, TURN = "MS511", "MS501", "MS502", "MS504"
SOME = (1, 4)
_HAND_M = 0.1034

type Edit = Callable[[Taken], tuple[Array, Array]]


def rows(edit: Edit, episodes: tuple[int, ...] | None = None) -> Change:
    """Change (state, action), of some episodes or all."""

    def change(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
        out = list(taken)
        for i in range(len(taken)) if episodes is None else [i for i in episodes if i < len(taken)]:
            fresh = replace(taken[i], state=taken[i].state.copy(), action=taken[i].action.copy())
            state, action = edit(fresh)
            out[i] = replace(taken[i], state=state, action=action)
        return out

    return change


def action(edit: Callable[[Array], Array | None], episodes: tuple[int, ...] | None = None) -> Change:
    def both(each: Taken) -> tuple[Array, Array]:
        result = edit(each.action)
        return each.state, each.action if result is None else result

    return rows(both, episodes)


def state(edit: Callable[[Array], Array | None], episodes: tuple[int, ...] | None = None) -> Change:
    def both(each: Taken) -> tuple[Array, Array]:
        result = edit(each.state)
        return each.state if result is None else result, each.action

    return rows(both, episodes)


def arm(values: Array) -> Array:
    """All but the gripper's part of an action, as a view."""
    return values[:, :-1]


def exchanged(a: int, b: int) -> Callable[[Array], Array]:
    def exchange(values: Array) -> Array:
        values[:, [a, b]] = values[:, [b, a]]
        return values

    return exchange


def shifted(by: int) -> Callable[[Array], Array]:
    return lambda values: values[np.clip(np.arange(len(values)) - by, 0, len(values) - 1)]


def scaled(factor: float, part: slice = slice(0, -1)) -> Callable[[Array], Array]:
    def scale(values: Array) -> Array:
        values[:, part] *= factor
        return values

    return scale


def about_vertical(values: Array) -> Array:
    for first in (0, 3):
        values[:, [first, first + 1]] = np.stack([-values[:, first + 1], values[:, first]], axis=1)
    return values


def added_noise(share: float) -> Callable[[Array], Array]:
    def add(values: Array) -> Array:
        rng = np.random.default_rng(5)
        return values + np.append(share * arm(values).std(axis=0), 0) * rng.normal(size=values.shape)

    return add


def clipped(share: float) -> Callable[[Array], Array]:
    def clip(values: Array) -> Array:
        most = share * np.abs(arm(values)).max()
        arm(values)[:] = np.clip(arm(values), -most, most)
        return values

    return clip


def half(values: Array) -> Array:
    return values.astype(np.float16).astype(np.float32)


def gripper_measured(each: Taken) -> tuple[Array, Array]:
    fingers = each.state[:, -1]
    share = np.abs(fingers) / (0.04 if fingers.max() < 0.05 else 1.0)
    low, high = each.action[:, -1].min(), each.action[:, -1].max()
    closed_is_one = each.state.shape[1] == each.action.shape[1]
    each.action[:, -1] = low + (share if closed_is_one else 1 - share) * (high - low)
    return each.state, each.action


def gripper_flipped(values: Array) -> Array:
    values[:, -1] = values[:, -1].max() + values[:, -1].min() - values[:, -1]
    return values


def absolute_next(each: Taken) -> tuple[Array, Array]:
    width = each.action.shape[1] - 1
    each.action[:, :width] = each.state[np.minimum(np.arange(len(each)) + 1, len(each) - 1), :width]
    return each.state, each.action


def turned(change: Callable[[Rotation], Array]) -> Callable[[Array], Array]:
    def turn(values: Array) -> Array:
        values[:, 3:6] = change(Rotation.from_rotvec(values[:, 3:6]))
        return values

    return turn


def hand_pose(values: Array) -> Array:
    values[:, :3] -= _HAND_M * Rotation.from_rotvec(values[:, 3:6]).as_matrix()[:, :, 2]
    return values


def moved_by(offset: float) -> Callable[[Array], Array]:
    def move(values: Array) -> Array:
        values[:, 0] += offset
        return values

    return move


def constant(dim: int) -> Callable[[Array], Array]:
    def hold(values: Array) -> Array:
        values[:, dim] = values[0, dim]
        return values

    return hold


def frozen(dim: int | slice) -> Callable[[Array], Array]:
    def freeze(values: Array) -> Array:
        middle = len(values) // 2
        values[middle:, dim] = values[middle, dim]
        return values

    return freeze


def _all() -> Iterator[Mutation]:
    eef, joints = ("eef",), ("joints",)
    for where, episodes in (("", None), (" in some", SOME)):
        own = (OWN,) if episodes else ()
        yield Mutation(
            f"actions rotated by 90 about the vertical{where}",
            action(about_vertical, episodes),
            (AXES, "MS509", *own),
            needs=eef,
        )
        yield Mutation(f"actions' x and y exchanged{where}", action(exchanged(0, 1), episodes), (AXES, "MS509", *own))
        yield Mutation(
            f"state's x and y exchanged{where}", state(exchanged(0, 1), episodes), (AXES, START, *own), needs=eef
        )
        yield Mutation(
            f"state's joints 2 and 4 exchanged{where}",
            state(exchanged(1, 3), episodes),
            (AXES, "MS410", START, *own),
            needs=joints,
        )
        for dim in (0, 2):
            yield Mutation(
                f"action's axis {dim} negated{where}",
                action(scaled(-1, slice(dim, dim + 1)), episodes),
                (SIGN, "MS509", *own),
            )
        yield Mutation(f"state's axis 1 negated{where}", state(scaled(-1, slice(1, 2)), episodes), (SIGN, START, *own))
        for by in (1, -1, 2, -2):
            yield Mutation(
                f"actions {abs(by)} {'late' if by > 0 else 'early'}{where}",
                action(shifted(by), episodes),
                (LAG, "MS509", *own),
            )
        yield Mutation(
            f"absolute next state for actions{where}", rows(absolute_next, episodes), ("MS507", "MS509", *own)
        )
        yield Mutation(f"actions in heavy noise{where}", action(added_noise(1.0), episodes), (LAG, SCALE, *own))
        yield Mutation(f"actions in noise{where}", action(added_noise(0.5), episodes), (LAG, SCALE, *own))
        for factor in (0.75, 1.33, 2.0):
            yield Mutation(f"actions x {factor:g}{where}", action(scaled(factor), episodes), (SCALE, *own))
        yield Mutation(f"actions clipped at half{where}", action(clipped(0.5), episodes), (EXACT, *own))
        yield Mutation(f"gripper flipped{where}", action(gripper_flipped, episodes), (GRIP, "MS415"))
        yield Mutation(f"gripper command is the measured state{where}", rows(gripper_measured, episodes), ("MS415",))
        yield Mutation(
            f"base frame's offset in the state{where}", state(moved_by(0.615), episodes), (START,), needs=eef
        )
        yield Mutation(f"hand's pose for the tool centre point{where}", state(hand_pose, episodes), (START,), needs=eef)
        for dim in (0, 2):
            yield Mutation(f"state's axis {dim} constant{where}", state(constant(dim), episodes), (FROZEN, "MS405"))
            yield Mutation(f"state's axis {dim} frozen midway{where}", state(frozen(dim), episodes), (FROZEN,))
        yield Mutation(f"state frozen midway{where}", state(frozen(slice(None)), episodes), (FROZEN, "MS209", *own))
        yield Mutation(f"finger constant{where}", state(constant(-1), episodes), (FROZEN, "MS415", "MS405"))
        yield Mutation(
            f"state's rotation as Euler angles{where}",
            state(turned(lambda r: r.as_euler("xyz")), episodes),
            (AXES, TURN, "MS409", *own),
            needs=eef,
        )
        yield Mutation(
            f"state's rotation inverted{where}",
            state(turned(lambda r: r.inv().as_rotvec()), episodes),
            (START, TURN, AXES),
            needs=eef,
        )
        yield Mutation(
            f"state's rotation in another frame{where}",
            state(turned(lambda r: (Rotation.from_euler("z", 90, degrees=True) * r).as_rotvec()), episodes),
            (START, AXES, "MS409"),
            needs=eef,
        )
        yield Mutation(
            f"state's position in mm{where}",
            state(scaled(1000, slice(0, 3)), episodes),
            ("MS404", "MS509", SCALE),
            needs=eef,
        )
    yield Mutation("float16 rounding of the state", state(half), (EXACT,))
    yield Mutation("float16 rounding of the actions", action(half), (EXACT,))
    yield Mutation("actions shuffled", action(lambda a: a[np.random.default_rng(6).permutation(len(a))]), (LAG,))
    yield Mutation("rotation commands x 2", action(scaled(2.0, slice(3, 6))), (SCALE, "MS503"), needs=eef)
    yield Mutation("rotation commands negated", action(scaled(-1.0, slice(3, 6))), (TURN,), needs=eef)
    yield Mutation("state 1 late", state(shifted(1)), (LAG,))
    yield Mutation("state 1 early", state(shifted(-1)), (LAG,))


NUMBERS = tuple(_all())
