"""Which executor a word on the command line means."""

from mstool.maniskill2lerobot.executors.base import Executor
from mstool.maniskill2lerobot.executors.local import run_local
from mstool.nearest import unknown

EXECUTORS = ("local", "ray")


def choose_executor(name: str, ray_address: str) -> Executor:
    """Return the executor that `--executor` names.

    Raises
    ------
    UsageError
        There is none of that name.
    MstoolError
        `ray`, and Ray is not installed or no cluster answers at `ray_address`.

    """
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS, "--executor")
    if name == "local":
        return run_local
    from mstool.maniskill2lerobot.executors.ray import on_ray

    return on_ray(ray_address)
