"""Where torch computes: what was asked for, or the best there is; and on how many cores."""

import os

from mstool.errors import SetupError, UsageError


def choose_device(asked: str | None) -> str:
    """Return `cuda`, `cuda:1`, `mps` or `cpu`: what was asked for; of None or "auto" the best there is.

    Raises
    ------
    UsageError
        No such kind of device.
    SetupError
        This machine does not have it.

    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = {"cuda": gpus, "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if asked in {None, "auto"}:
        return next(name for name, count in there.items() if count)
    assert asked is not None
    kind, _, number = asked.partition(":")
    if kind not in there or not (number or "0").isdigit():
        raise UsageError(
            f"--device {asked}: there are {', '.join(there)}",
            fix="leave --device out for the best one",
            change={"--device": None},
        )
    if int(number or 0) >= there[kind]:
        raise SetupError(
            f"--device {asked}: torch finds none here",
            fix="add --device cpu, or run: mstool doctor",
            change={"--device": "cpu"},
        )
    return asked


def leave_cores(workers: int) -> None:
    """Compute on the cores that workers leave: two threads that wait for each other's turn took ten times as long."""
    import torch

    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - workers))
