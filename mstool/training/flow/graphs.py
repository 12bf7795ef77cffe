"""A network's passes recorded as CUDA graphs: a small network waits for Python more than for the GPU.

Forward and backward of the flow policy launch thousands of short kernels, which takes longer than they run. A graph
launches all of them at once (`torch.cuda.make_graphed_callables`); kernels and numbers are the same.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn


def record(modules: Sequence[nn.Module], inputs: Sequence[tuple[Tensor, ...]], dtype: torch.dtype | None) -> None:
    """Have modules replay graphs of their training passes, for inputs of the same shapes as these.

    Inputs of other shapes, evaluation and passes without gradients run as before. What the recording does to the
    modules' buffers (running statistics) is undone.

    Parameters
    ----------
    modules
        In the order in which they run.
    inputs
        What each is called with; those that need a gradient must say so.
    dtype
        Of autocast, None without.

    Raises
    ------
    RuntimeError
        CUDA cannot record them, or has no memory for it.

    """
    before = [module.forward for module in modules]
    buffers = [{name: buffer.clone() for name, buffer in module.named_buffers()} for module in modules]
    try:
        # A graph cannot hold what autocast caches between two passes.
        with _same_stream(), torch.autocast("cuda", dtype, enabled=dtype is not None, cache_enabled=False):
            torch.cuda.make_graphed_callables(tuple(modules), tuple(inputs), allow_unused_input=True)
    except BaseException:
        for module, forward in zip(modules, before, strict=True):
            module.forward = forward
        raise
    for module, forward, arguments, kept in zip(modules, before, inputs, buffers, strict=True):
        for name, buffer in module.named_buffers():
            buffer.copy_(kept[name])
        replayed = module.forward
        module.forward = choose(module, replayed, forward, shapes(arguments))


def replay(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Callable[..., Tensor]:
    """Return a function without gradients that replays a graph of itself, for inputs of the same shapes as these.

    What it reads beside its inputs, such as weights that change in place, counts as it is at each replay. Inputs of
    other shapes run as before, and so does everything where CUDA cannot record it.
    """
    held = [each.clone() for each in inputs]
    graph = torch.cuda.CUDAGraph()
    try:
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # what is done once, in a library's first call, is not for the graph
            for _ in range(3):
                function(*held)
        torch.cuda.current_stream().wait_stream(beside)
        with _same_stream(), torch.cuda.graph(graph):
            result = function(*held)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        logging.warning("a network's passes cannot be recorded, so learning is slower: %s", error)
        return function

    def replayed(*arguments: Tensor) -> Tensor:
        if shapes(arguments) != shapes(held):
            return function(*arguments)
        for kept, given in zip(held, arguments, strict=True):
            kept.copy_(given)
        graph.replay()
        return result.clone()

    return replayed


def choose(
    module: nn.Module, replayed: Callable[..., Any], eager: Callable[..., Any], wanted: list[torch.Size]
) -> Callable[..., Any]:
    """Return a forward that replays where it may: in training, with gradients, for inputs of the shapes `wanted`."""

    def forward(*arguments: Tensor) -> Any:
        fits = module.training and torch.is_grad_enabled() and shapes(arguments) == wanted
        return (replayed if fits else eager)(*arguments)

    return forward


def _same_stream() -> AbstractContextManager[None]:
    """Come back to the current stream in any case: torch leaves its own one current where a recording fails."""
    return torch.cuda.stream(torch.cuda.current_stream() if torch.cuda.is_available() else None)


def shapes(arguments: Sequence[Tensor]) -> list[torch.Size]:
    """Return the arguments' shapes."""
    return [argument.shape for argument in arguments]
