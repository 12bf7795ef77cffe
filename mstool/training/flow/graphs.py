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
        _mend_generator()
        raise
    for module, forward, arguments, kept in zip(modules, before, inputs, buffers, strict=True):
        for name, buffer in module.named_buffers():
            buffer.copy_(kept[name])
        replayed = module.forward
        module.forward = choose(module, replayed, forward, shapes(arguments))


class Recordings:
    """What a module's functions without gradients do on a GPU, each recorded when it is first called.

    A copy holds none: it has weights of its own. Whoever moves the weights elsewhere says `forget`.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, torch.dtype | None], Callable[..., Any]] = {}

    def __reduce__(self) -> tuple[type["Recordings"], tuple[()]]:
        return Recordings, ()

    def run(self, name: str, function: Callable[..., Any], *inputs: Tensor) -> Any:
        """Call `function`, by its recording where there is a GPU and the inputs have the shapes of the first call's."""
        if not inputs[0].is_cuda:
            return function(*inputs)
        key = name, torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
        if key not in self._known:
            self._known[key] = replay(function, inputs)
        return self._known[key](*inputs)

    def forget(self) -> None:
        """Drop every recording."""
        self._known.clear()


def replay(function: Callable[..., Any], inputs: Sequence[Tensor]) -> Callable[..., Any]:
    """Return a function without gradients that replays a graph of itself, for inputs of the same shapes as these.

    It returns one tensor or a tuple of them, new ones at each call.

    What it reads beside its inputs, such as weights that change in place, counts as it is at each replay. Inputs of
    other shapes run as before, and so does everything where CUDA cannot record it.
    """
    graph = torch.cuda.CUDAGraph()
    # Ordinary tensors, whatever mode the caller is in: both modes may write to them later.
    with torch.inference_mode(mode=False), torch.no_grad():
        held = [each.clone() for each in inputs]
        try:
            result = _captured(graph, function, held)
        except RuntimeError as error:
            _mend_generator()
            if isinstance(error, torch.OutOfMemoryError):
                raise
            logging.warning("a network's passes cannot be recorded, so it is slower: %s", error)
            return function

    def replayed(*arguments: Tensor) -> Any:
        if shapes(arguments) != shapes(held):
            return function(*arguments)
        for kept, given in zip(held, arguments, strict=True):
            kept.copy_(given)
        graph.replay()
        return tuple(each.clone() for each in result) if isinstance(result, tuple) else result.clone()

    return replayed


def _captured(graph: torch.cuda.CUDAGraph, function: Callable[..., Any], held: Sequence[Tensor]) -> Any:
    """Record a call; returns what each replay writes to."""
    cached = torch.is_autocast_cache_enabled()
    # What autocast caches is freed when it ends, and a graph would go on reading it.
    torch.set_autocast_cache_enabled(False)
    torch.clear_autocast_cache()
    try:
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # what is done once, in a library's first call, is not for the graph
            for _ in range(3):
                function(*held)
        torch.cuda.current_stream().wait_stream(beside)
        with _same_stream(), torch.cuda.graph(graph):
            return function(*held)
    finally:
        torch.set_autocast_cache_enabled(cached)


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


def _mend_generator() -> None:
    """Record nothing of note, after a recording that failed.

    torch leaves its generator of random numbers as if that went on: `CUDAGraph::capture_end` throws before it ends the
    generator's part, and the next random number is refused. A recording that ends puts it right.
    """
    if torch.cuda.is_available():
        with _same_stream(), torch.cuda.graph(torch.cuda.CUDAGraph()):
            torch.zeros(1, device="cuda")


def shapes(arguments: Sequence[Tensor]) -> list[torch.Size]:
    """Return the arguments' shapes."""
    return [argument.shape for argument in arguments]
