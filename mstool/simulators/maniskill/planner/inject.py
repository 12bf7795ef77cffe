"""ManiSkill's solution modules, loaded with our planner where they import mplib."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from mstool.simulators.maniskill.planner.planner import Planner

_STICK = "PandaStickMotionPlanningSolver"


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


@cache  # a solver is mended once
def import_with_planner(module: str) -> ModuleType:
    """Import one of ManiSkill's solver modules, planning with `Planner`."""
    with planner_as_mplib():
        loaded = importlib.import_module(module)
    if hasattr(loaded, _STICK):
        setattr(loaded, _STICK, _mended(getattr(loaded, _STICK)))
    return loaded


def _mended(solver: type) -> type:
    """Leave out the argument that ManiSkill 3.0.1's stick solver hands on to a class that does not take it."""

    class Stick(solver):  # type: ignore[misc]
        def __init__(self, env: Any, *, visualize_target_grasp_pose: bool = False, **rest: Any) -> None:  # noqa: ARG002
            solver.__base__.__init__(self, env, **rest)  # type: ignore[misc]

    return Stick
