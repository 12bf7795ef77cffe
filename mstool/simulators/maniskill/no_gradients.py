"""ManiSkill's sums of a few numbers each, without torch's notes of what a gradient would need: a tenth of a step.

A tensor that was made so must not be changed elsewhere: all that changes a scene comes through here.
"""

from collections.abc import Callable, Iterator
from functools import wraps


def without_gradients[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Run a function without gradients."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        import torch

        with torch.inference_mode():
            return function(*args, **kwargs)

    return run


def each_without_gradients[T](items: Iterator[T]) -> Iterator[T]:
    """Make each item without gradients; what its receiver does meanwhile is its own."""
    import torch

    while True:
        with torch.inference_mode():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
