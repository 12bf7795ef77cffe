"""ManiSkill's solution modules, loaded with our planner where they import mplib."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from mstool.simulators.maniskill.planner.planner import Planner


@contextmanager
def planner_as_mplib() -> Iterator[None]:
    """Let `import mplib` find a module whose `Planner` is ours; `sys.modules` is as before afterwards.

    Modules imported inside keep the reference, so they plan with it from then on.
    """
    stand_in = ModuleType("mplib", "Stands in for mplib, which does not work with numpy >= 2.")
    stand_in.__dict__["Planner"] = Planner
    before = sys.modules.get("mplib")
    sys.modules["mplib"] = stand_in
    try:
        yield
    finally:
        if before is None:
            del sys.modules["mplib"]
        else:
            sys.modules["mplib"] = before


def import_with_planner(module: str) -> ModuleType:
    """Import one of ManiSkill's solver modules, planning with `Planner`."""
    with planner_as_mplib():
        return importlib.import_module(module)
