"""Whether a policy's environments can be played at all: asked before hours go into what will need them."""

import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection

from mstool.dataset.conventions import Conventions
from mstool.errors import MstoolError, SetupError
from mstool.evaluation.scene import Scene, dataset_views
from mstool.processes import exit_words, kill_worker, start_worker
from mstool.progress import Notify
from mstool.simulators.benchmarks import benchmark_of

# Building the first scene loads a simulator, s.
_SECONDS = 600.0


def check_ready(conventions: Conventions, env_ids: Sequence[str], notify: Notify, *, imports: bool) -> None:
    """Build every environment once, begin an episode and take its pictures, in a process that then ends.

    Parameters
    ----------
    conventions
        What the policy is trained on.
    env_ids
        The tasks.
    notify
        Told what is waited for: it takes seconds.
    imports
        Whether other workers follow in this process: what they import is then loaded once, and stays in memory.

    Raises
    ------
    MstoolError
        One cannot be built or drawn: an extra, files or a renderer are missing, or its arguments are refused.

    """
    notify(f"building {', '.join(env_ids)}")
    pipe, process = start_worker(
        _serve, conventions, tuple(env_ids), imports=benchmark_of(env_ids[0]).worker_imports if imports else ()
    )
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


def _serve(pipe: Connection, conventions: Conventions, env_ids: Sequence[str]) -> None:
    said: MstoolError | str = ""
    try:
        for env_id in env_ids:
            scene = Scene(conventions, env_id, dataset_views(conventions))
            scene.reset(benchmark_of(env_id).first_demo_seed)
            scene.images()
            scene.goal()
            scene.close()
    except MstoolError as error:
        said = error
    except Exception:  # noqa: BLE001 - whatever it was, the parent says it
        said = traceback.format_exc()
    pipe.send(said)
