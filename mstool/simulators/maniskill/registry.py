"""ManiSkill loaded once, and what environments it registers."""

import gc
import logging
from functools import cache

from mstool.nearest import no_environment
from mstool.simulators.maniskill.devices import keep_renderer

# SAPIEN opens no device before it renders (`devices.py`), and nothing here asks CUDA for one.
WORKER_IMPORTS = ("mstool.simulators.maniskill.imported",)


@cache
def load_maniskill() -> None:
    """Register ManiSkill's environments, silence what it says of its own tasks, and hold the renderer open.

    ManiSkill collects garbage whenever it rebuilds a scene: 0.2 s of a reset went into looking through 300,000 objects
    of imported modules. They are taken out of the collector's sight, before there is a scene that it must free.
    """
    from mstool.simulators.maniskill.imported import logger

    # It warns about its own tasks' missing initial poses whenever a scene is built.
    logger.setLevel(logging.ERROR)
    keep_renderer()
    gc.collect()
    gc.freeze()


def env_ids() -> list[str]:
    """Every environment that ManiSkill registers, sorted."""
    from mstool.simulators.maniskill.imported import REGISTERED_ENVS

    return sorted(REGISTERED_ENVS)


def check_env_id(env_id: str) -> None:
    """Raise UsageError, with the name that was meant, unless ManiSkill registers `env_id`."""
    known = env_ids()
    if env_id not in known:
        raise no_environment("ManiSkill environment", env_id, known)
