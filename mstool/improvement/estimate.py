"""How much memory a run takes, and how long one update does: the first computed, the second tried.

replay   = rows * (N (2 W + 1) + H (4 D + 1) + 4 * extra + 21) bytes, in the machine's memory, at most
networks = the policy's weights + 4 bytes * (what is trained * 4 + what is not): weights, gradients, Adam's two moments
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mstool.improvement.method import Method
from mstool.improvement.replay import Replay
from mstool.improvement.rows import Episode, Sizes

# Own rows that are kept; older ones make way.
OWN_ROWS = 50_000
# Rows of a trial on a CPU, where a whole batch would take long; time grows with it.
_TRIAL = 32
# Updates that are tried on a GPU, where the second is slower than those that follow: 0.093 s told, 0.037 seen at most.
_GPU_TRIALS = 6


@dataclass(frozen=True)
class Estimate:
    """What a run takes."""

    demo_rows: int
    own_rows: int
    replay_bytes: int
    network_bytes: int
    # Of the device at the most during an update; 0 on a CPU.
    peak_bytes: int
    # Whether rows lie on the device, where they are less than half of what it has free.
    on_device: bool
    # One update with a whole batch, s.
    update_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**self.__dict__, "update_seconds": round(self.update_seconds, 4)}


def own_rows(episodes: int | None, horizon: int, steps: int) -> int:
    """Return how many rows own episodes take at most."""
    return OWN_ROWS if episodes is None else min(OWN_ROWS, max(1, episodes) * (-(-horizon // steps) + 1))


def estimate(method: Method, sizes: Sizes, demo_rows: int, own: int, frozen: int) -> Estimate:
    """Compute the memory, `frozen` bytes of it the policy, and try some updates, which leave the method changed."""
    trained = sum(p.numel() for each in method.optimizers.values() for g in each.param_groups for p in g["params"])
    modules = {id(p): p.numel() for each in method.modules.values() for p in each.parameters()}
    batch = method.hyper.batch_size
    rows = batch if method.device.startswith("cuda") else min(batch, _TRIAL)
    seconds, peak = _try(method, sizes, rows)
    replay = (demo_rows + own) * sizes.row_bytes
    return Estimate(
        demo_rows=demo_rows,
        own_rows=own,
        replay_bytes=replay,
        network_bytes=frozen + 4 * (3 * trained + sum(modules.values())),
        peak_bytes=peak,
        on_device=method.device.startswith("cuda") and 2 * replay < torch.cuda.mem_get_info()[0],
        update_seconds=seconds * batch / rows,
    )


def _try(method: Method, sizes: Sizes, rows: int) -> tuple[float, int]:
    """Return the seconds of an update on made-up rows, and the device's memory at the most."""
    from dataclasses import replace

    made_up = Replay(sizes, 4, method.hyper.gamma)
    made_up.add(
        Episode(
            tokens=torch.randn(2, sizes.tokens, sizes.width),
            mask=torch.ones(2, sizes.tokens, dtype=torch.bool),
            looks=np.array([0, sizes.steps]),
            actions=np.zeros((2 * sizes.steps, sizes.action), np.float32),
            solved=np.ones(2 * sizes.steps, bool),
        )
    )
    usual, method.hyper = method.hyper, replace(method.hyper, batch_size=rows)
    cuda = method.device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    method.record()
    seconds = []
    for _ in range(_GPU_TRIALS if cuda else 2):  # the first one prepares
        if cuda:
            torch.cuda.synchronize()
        started = time.monotonic()
        method.update(None, made_up, "online")
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - started)
    method.hyper = usual
    return min(seconds[1:]), int(torch.cuda.max_memory_allocated()) if cuda else 0
