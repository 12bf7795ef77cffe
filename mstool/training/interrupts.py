"""Ctrl-C and SIGTERM during training: finish the step, keep a checkpoint, stop."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):  # noqa: N818  # not an error: a wish of the user's
    """Training was asked to stop; a checkpoint of `step` is kept."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.step = step


class Interrupts:
    """Whether somebody asked for an end.

    Before the first step there is nothing to keep, and who presses Ctrl-C twice does not want to wait: both stop at
    once. A SIGTERM after the first is none of that: `accelerate launch` passes Ctrl-C on to its processes in that way.
    """

    def __init__(self) -> None:
        self.asked = False
        self.training = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen while the block runs."""
        before = {number: signal.signal(number, self._hear) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if not self.training or (self.asked and number == signal.SIGINT):
            raise KeyboardInterrupt
        if self.asked:
            return
        self.asked = True
        # Not print: the signal may have interrupted one.
        os.write(2, b"stopping after this step with a checkpoint; once more stops at once\n")

    def anywhere(self) -> bool:
        """Tell whether any process of the run was asked: every one of them must call this at the same step."""
        return bool(largest(float(self.asked)))


def largest(value: float) -> float:
    """Return the largest of the numbers with which all processes of the run call this at the same step."""
    import torch
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    shared = torch.tensor(value, dtype=torch.float64, device=device)
    distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
    return float(shared.item())
