"""Layouts: what state, actions and cameras mean. Adding one is one file and one line here."""

from mstool.errors import UsageError
from mstool.layouts.base import Camera, Layout, Vector
from mstool.layouts.droid import DroidLayout
from mstool.layouts.libero import LiberoLayout
from mstool.layouts.maniskill import JointLayout, TcpLayout
from mstool.layouts.native import NativeLayout
from mstool.nearest import nearest

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (LiberoLayout(), DroidLayout(), JointLayout(), TcpLayout(), NativeLayout())
}

__all__ = ["LAYOUTS", "Camera", "Layout", "Vector", "get_layout"]


def get_layout(name: str) -> Layout:
    """Look a layout up; UsageError for an unknown name, with the nearest known one."""
    if name in LAYOUTS:
        return LAYOUTS[name]
    near = nearest(name, LAYOUTS)
    hint = f" Did you mean {near!r}?" if near else ""
    raise UsageError(f"unknown layout {name!r}.{hint} There are: {', '.join(LAYOUTS)}", fix="mstool layouts")
