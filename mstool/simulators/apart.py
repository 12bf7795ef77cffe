"""A question to a simulator that is asked in a process of its own, which then ends: nothing of it stays in this one."""

import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from mstool.errors import MstoolError, SetupError
from mstool.processes import exit_words, kill_worker, start_worker
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of, build_simulator

# Loading a simulator and building its first scene, s.
_SECONDS = 600.0


def try_apart(env_ids: Sequence[str], play: Callable[..., None], *args: Any, imports: Sequence[str] = ()) -> None:
    """Call `play(env_ids, *args)`, a function of a module, in a process of its own.

    Parameters
    ----------
    env_ids
        The environments that it plays.
    play
        What is tried.
    *args
        What it is given besides.
    imports
        Modules for the workers that follow (`start_worker`).

    Raises
    ------
    MstoolError
        What it raised; a SetupError for anything else that happened to it.

    """
    pipe, process = start_worker(_serve, play, tuple(env_ids), *args, imports=imports)
    try:
        said = pipe.recv() if pipe.poll(_SECONDS) else f"nothing was heard for {_SECONDS:.0f} s"
    except (EOFError, OSError):
        process.join()
        said = f"its process died ({exit_words(process.exitcode)})"
    finally:
        kill_worker(pipe, process)
    if isinstance(said, MstoolError):
        raise said
    if said:
        why = str(said).strip().splitlines()[-1]
        raise SetupError(f"{', '.join(env_ids)} cannot be played here: {why}", fix="mstool doctor")


def check_buildable(env_ids: Sequence[str]) -> None:
    """Build every environment as it is by default, and look for a device to render on; errors as `try_apart`."""
    try_apart(env_ids, _build, imports=benchmark_of(env_ids[0]).worker_imports)


def _build(env_ids: Sequence[str]) -> None:
    for env_id in env_ids:
        benchmark = benchmark_of(env_id)
        benchmark.render_backend()
        modes = next((facts.control_modes for facts in benchmark.environments() if facts.env_id == env_id), ())
        build_simulator(SimulatorSpec(env_id, modes[0] if modes else "")).close()


def _serve(pipe: Connection, play: Callable[..., None], env_ids: Sequence[str], *args: Any) -> None:
    said: MstoolError | str = ""
    try:
        play(env_ids, *args)
    except MstoolError as error:
        said = error
    except Exception:  # noqa: BLE001 - whatever it was, the parent says it
        said = traceback.format_exc()
    pipe.send(said)
