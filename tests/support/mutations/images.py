"""What happens to views between a camera and a file."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from mstool.contract import Array
from support.mutations.episodes import Change, Mutation, Taken

type Film = Callable[[Array], Array]

STILL, LIKE, UPRIGHT, NOISE, FINE = "MS316", "MS312", "MS310", "MS313", "MS309"
LAG = ("MS311", "MS315")
# Of the datasets, which have four episodes of a task.
SOME = (1, 4)


def on(views: tuple[str, ...], episodes: tuple[int, ...] | None, film: Film) -> Change:
    """Change the films of some views, in some episodes or all."""

    def change(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
        out = list(taken)
        for i in range(len(taken)) if episodes is None else [i for i in episodes if i < len(taken)]:
            for view in views:
                out[i] = out[i].with_view(_present(out[i], view), film)
        return out

    return change


def _present(each: Taken, view: str) -> str:
    return view if view in each.views else next(iter(each.views))


def late(by: int) -> Film:
    """Each row gets the image of `by` frames before; negative: of those after."""
    return lambda film: film[np.clip(np.arange(len(film)) - by, 0, len(film) - 1)]


def squeezed(low: float, high: float) -> Film:
    return lambda film: (low + film.astype(np.float32) * (high - low) / 255).round().astype(np.uint8)


def gamma(power: float) -> Film:
    return lambda film: (255 * (film / 255.0) ** power).round().astype(np.uint8)


def times(factor: float) -> Film:
    return lambda film: np.clip(film * factor, 0, 255).round().astype(np.uint8)


def frozen(film: Array) -> Array:
    return film[np.minimum(np.arange(len(film)), len(film) // 2)]


def held(every: int) -> Film:
    return lambda film: film[np.arange(len(film)) // every * every]


def tiny(factor: int) -> Film:
    def blow_up(film: Array) -> Array:
        height, width = film.shape[1:3]
        small = [Image.fromarray(f).resize((width // factor, height // factor), Image.Resampling.BOX) for f in film]
        return np.stack([np.asarray(f.resize((width, height), Image.Resampling.BILINEAR)) for f in small])

    return blow_up


def noisy(sigma: float) -> Film:
    def add(film: Array) -> Array:
        noise = np.random.default_rng(1).normal(0, sigma, film.shape)
        return np.clip(film + noise, 0, 255).round().astype(np.uint8)

    return add


def shaken(by: int) -> Film:
    def shake(film: Array) -> Array:
        steps = np.random.default_rng(2).integers(-by, by + 1, (len(film), 2))
        return np.stack([np.roll(f, tuple(s), (0, 1)) for f, s in zip(film, steps, strict=True)])

    return shake


def jittered(by: int) -> Film:
    def jitter(film: Array) -> Array:
        steps = np.random.default_rng(3).integers(-by, by + 1, len(film))
        return film[np.clip(np.arange(len(film)) + steps, 0, len(film) - 1)]

    return jitter


def shuffled(film: Array) -> Array:
    return film[np.random.default_rng(4).permutation(len(film))]


def pairs_swapped(film: Array) -> Array:
    order = np.arange(len(film))
    even = len(film) // 2 * 2
    order[:even] = order[:even].reshape(-1, 2)[:, ::-1].ravel()
    return film[order]


def to_length(film: Array, length: int) -> Array:
    return film[np.minimum(np.arange(length), len(film) - 1)]


def rotated_among(views: tuple[str, ...]) -> Change:
    """Every episode has the next one's film of the same task, cut or held to its own length."""

    def change(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
        out = []
        for i, each in enumerate(taken):
            same = [k for k, t in enumerate(taken) if t.source.recipe.env_id == each.source.recipe.env_id]
            other = taken[same[(same.index(i) + 1) % len(same)]]
            films = {v: to_length(other.views[v], len(each)) for v in each.views if v in views or "all" in views}
            out.append(replace(each, views=each.views | films))
        return out

    return change


def of_another(views: tuple[str, ...]) -> Change:
    """One episode has another's film."""

    def change(taken: list[Taken], rng: np.random.Generator) -> list[Taken]:
        return [taken[0], rotated_among(views)(taken, rng)[1], *taken[2:]]

    return change


def same_in_several(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
    films = taken[0].views
    several = [replace(t, views={v: to_length(films[v], len(t)) for v in t.views}) for t in taken[:3]]
    return [*several, *taken[3:]]


def swapped(taken: list[Taken], _: np.random.Generator) -> list[Taken]:
    return [replace(t, views=t.views | {"base": t.views["wrist"], "wrist": t.views["base"]}) for t in taken]


TURNS: dict[str, Film] = {
    "turned by 180": lambda film: film[:, ::-1, ::-1],
    "mirrored": lambda film: film[:, :, ::-1],
    "flipped": lambda film: film[:, ::-1],
    "turned by 90": lambda film: _refit(np.rot90(film, axes=(1, 2)), film.shape),
    "transposed": lambda film: _refit(film.swapaxes(1, 2), film.shape),
}


def _refit(film: Array, shape: tuple[int, ...]) -> Array:
    if film.shape == shape:
        return film
    return np.stack([np.asarray(Image.fromarray(f).resize((shape[2], shape[1]))) for f in film])


COLOURS: dict[str, Film] = {
    "BGR": lambda film: film[..., ::-1],
    "brightness x 0.8": times(0.8),
    "gamma 1.4": gamma(1.4),
    "range squeezed to 16..235": squeezed(16, 235),
}


def _all() -> Iterator[Mutation]:
    both = ("base", "wrist")
    for by in (1, 2, -1, -2):
        yield Mutation(f"both views {_when(by)}", on(both, None, late(by)), LAG)
    for view in both:
        for by in (1, 2, 3, -1, -2, -3):
            yield Mutation(f"{view} {_when(by)}", on((view,), None, late(by)), LAG, needs=(view,))
        for by in (3, -3, 1):
            yield Mutation(f"{view} {_when(by)} in some", on((view,), SOME, late(by)), LAG, needs=(view,))
        for name, film in TURNS.items():
            yield Mutation(f"{view} {name}", on((view,), None, film), (UPRIGHT, "MS317"), needs=(view,))
            yield Mutation(f"{view} {name} in some", on((view,), SOME, film), (LIKE,), needs=(view,))
        yield Mutation(f"{view} frozen from the middle", on((view,), None, frozen), (STILL,), needs=(view,))
        yield Mutation(f"{view} frozen from the middle in some", on((view,), SOME, frozen), (STILL,), needs=(view,))
        yield Mutation(f"{view} frames doubled", on((view,), None, held(2)), (STILL,), needs=(view,))
        yield Mutation(f"{view} blown up from a quarter", on((view,), None, tiny(4)), (FINE, LIKE), needs=(view,))
        yield Mutation(f"{view} shuffled", on((view,), None, shuffled), LAG, needs=(view,))
        yield Mutation(f"{view} shuffled in some", on((view,), SOME, shuffled), LAG, needs=(view,))
        yield Mutation(f"{view} backwards", on((view,), None, lambda film: film[::-1]), LAG, needs=(view,))
        yield Mutation(f"{view} backwards in some", on((view,), SOME, lambda film: film[::-1]), LAG, needs=(view,))
        yield Mutation(f"{view} in noise", on((view,), None, noisy(25)), (NOISE,), needs=(view,))
        yield Mutation(f"{view} in noise in some", on((view,), SOME, noisy(25)), (NOISE,), needs=(view,))
        yield Mutation(f"{view} of another episode", of_another((view,)), (*LAG, "MS314"), needs=(view,))
        yield Mutation(f"{view} black in some", on((view,), SOME, lambda film: film * 0), ("MS304",), needs=(view,))
    for name, film in COLOURS.items():
        only = "" if name != "range squeezed to 16..235" else "a darker or flatter camera is a camera"
        yield Mutation(f"{name} in all", on(both, None, film), ("MS308", LIKE), _undecidable_in_all(name) or only)
        yield Mutation(f"{name} in half", on(both, (0, 2, 4), film), (LIKE,))
        yield Mutation(f"{name} in one, base only", on(("base",), (1,), film), (LIKE,), needs=("base",))
    yield Mutation("frames doubled", on(both, None, held(2)), (STILL,))
    yield Mutation("frames held for three", on(both, None, held(3)), (STILL,))
    yield Mutation("neighbouring frames swapped", on(both, None, pairs_swapped), LAG)
    yield Mutation("backwards", on(both, None, lambda film: film[::-1]), LAG)
    yield Mutation("shuffled", on(both, None, shuffled), LAG)
    yield Mutation("jitter of two frames", on(both, None, jittered(2)), (*LAG, STILL))
    yield Mutation("shaken by four pixels", on(both, None, shaken(4)), (NOISE, "MS307"))
    yield Mutation("videos rotated among episodes", rotated_among(("all",)), (*LAG, "MS314"))
    yield Mutation("base videos rotated among episodes", rotated_among(("base",)), LAG, needs=("base",))
    yield Mutation("wrist videos rotated among episodes", rotated_among(("wrist",)), LAG, needs=("wrist",))
    yield Mutation("same images in three episodes", same_in_several, ("MS314",))
    yield Mutation("base and wrist exchanged", swapped, ("MS307",), needs=("base", "wrist"))


def _undecidable_in_all(name: str) -> str:
    return "" if name == "BGR" else "nothing says how bright a camera is: all episodes agree with each other"


def _when(by: int) -> str:
    return f"{abs(by)} {'late' if by > 0 else 'early'}"


IMAGES = tuple(_all())
