"""Whether a policy's environments can be played at all: asked before hours go into what will need them."""

from collections.abc import Sequence

from mstool.dataset.conventions import Conventions
from mstool.evaluation.scene import Scene, dataset_views
from mstool.progress import Notify
from mstool.simulators.apart import try_apart
from mstool.simulators.benchmarks import benchmark_of


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
    try_apart(env_ids, _play, conventions, imports=benchmark_of(env_ids[0]).worker_imports if imports else ())


def _play(env_ids: Sequence[str], conventions: Conventions) -> None:
    for env_id in env_ids:
        scene = Scene(conventions, env_id, dataset_views(conventions))
        scene.reset(benchmark_of(env_id).first_demo_seed)
        scene.images()
        scene.goal()
        scene.close()
