"""Processes that load data, deaf to Ctrl-C: the process that trains ends them."""

from multiprocessing.context import BaseContext, ForkContext, ForkProcess, SpawnContext, SpawnProcess

from mstool.processes import deaf_to_ctrl_c


class _DeafSpawnProcess(SpawnProcess):
    def start(self) -> None:
        with deaf_to_ctrl_c():
            super().start()


class _DeafForkProcess(ForkProcess):
    def start(self) -> None:
        with deaf_to_ctrl_c():
            super().start()


class _Spawn(SpawnContext):
    Process = _DeafSpawnProcess


class _Fork(ForkContext):
    Process = _DeafForkProcess


_CONTEXTS = {"spawn": _Spawn, "fork": _Fork}


def deaf(method: str | None) -> BaseContext | None:
    """Return how torch's loader starts its processes: "spawn", "fork", or None where there are none."""
    return _CONTEXTS[method]() if method else None
