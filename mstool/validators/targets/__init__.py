"""What a dataset can be validated against: one file each, data only."""

import difflib

from mstool.errors import UsageError
from mstool.validators.targets.base import Expectation, Target
from mstool.validators.targets.lerobot_pi05 import LEROBOT_PI05
from mstool.validators.targets.maniskill import MANISKILL
from mstool.validators.targets.pi05_droid import PI05_DROID
from mstool.validators.targets.pi05_libero import PI05_LIBERO

TARGETS: dict[str, Target] = {t.name: t for t in (PI05_LIBERO, PI05_DROID, LEROBOT_PI05, MANISKILL)}

__all__ = ["TARGETS", "Expectation", "Target", "get_target"]


def get_target(name: str) -> Target:
    """Look a target up; UsageError names the nearest."""
    if name in TARGETS:
        return TARGETS[name]
    near = difflib.get_close_matches(name, TARGETS, n=1, cutoff=0.0)
    raise UsageError(
        f"unknown target {name!r}; there are: {', '.join(TARGETS)}", fix=f"did you mean --against {near[0]}?"
    )
