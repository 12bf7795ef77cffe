"""What a dataset can be validated against: one file each, data only."""

from mstool.nearest import unknown
from mstool.validators.targets.base import Expectation, Target
from mstool.validators.targets.fitting import Fitting, fitting_target
from mstool.validators.targets.lerobot import LEROBOT, LEROBOT_SMOLVLA
from mstool.validators.targets.lerobot_pi05 import LEROBOT_PI05
from mstool.validators.targets.maniskill import MANISKILL
from mstool.validators.targets.pi05_droid import PI05_DROID
from mstool.validators.targets.pi05_libero import PI05_LIBERO

TARGETS: dict[str, Target] = {
    t.name: t for t in (PI05_LIBERO, PI05_DROID, LEROBOT_PI05, LEROBOT_SMOLVLA, LEROBOT, MANISKILL)
}

__all__ = ["MANISKILL", "TARGETS", "Expectation", "Fitting", "Target", "fitting_target", "get_target"]


def get_target(name: str) -> Target:
    """Look a target up.

    Raises
    ------
    UsageError
        There is none of this name; a name that is nearly right is named.

    """
    if name in TARGETS:
        return TARGETS[name]
    raise unknown("target", name, TARGETS, "--against")
