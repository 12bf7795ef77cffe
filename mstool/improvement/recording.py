"""A method's networks as CUDA graphs: an update launches thousands of kernels that are shorter than their launch.

Without a GPU nothing is recorded, and everything runs as it did.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mstool.improvement.method import Method
from mstool.training.flow import graphs


def example(method: Method, rows: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Return noise (B, H, D), tokens (B, N, W) and mask (B, N) of the shapes that an update has, or of so many rows."""
    base, rows = method.base, rows or method.hyper.batch_size
    return (
        torch.randn(rows, base.chunk, base.action, device=method.device),
        torch.randn(rows, base.tokens, base.width, device=method.device),
        torch.ones(rows, base.tokens, dtype=torch.bool, device=method.device),
    )


def replayed(method: Method, function: Callable[..., Any], *inputs: Tensor) -> Callable[..., Any]:
    """Return a function without gradients that replays a recording of itself, for inputs of these shapes."""
    return graphs.replay(function, inputs) if method.device.startswith("cuda") else function


def record_passes(
    method: Method, module: nn.Module, *inputs: Tensor, dtype: torch.dtype | None = torch.bfloat16
) -> None:
    """Have a network replay its training passes, for inputs of these shapes; those that need a gradient say so.

    `dtype` is that of the autocast in which it learns, None where it learns without.
    """
    if not method.device.startswith("cuda"):
        return
    module.train()
    try:
        graphs.record([module], [inputs], dtype)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        logging.warning("a network's passes cannot be recorded, so learning is slower: %s", error)
