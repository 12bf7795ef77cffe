"""In which order work is done: what it yields is put back in its own."""

from collections.abc import Callable, Hashable, Iterable


def firsts_first[T](items: Iterable[T], kind: Callable[[T], Hashable]) -> list[T]:
    """Put the first item of every kind before all others; both parts stay in their order.

    What ends a run meets every item of a kind, as an environment that cannot be built does: it is then found before
    the other kinds have cost time.
    """
    seen: set[Hashable] = set()
    firsts: list[T] = []
    others: list[T] = []
    for item in items:
        (others if kind(item) in seen else firsts).append(item)
        seen.add(kind(item))
    return firsts + others
