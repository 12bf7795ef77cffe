"""Layouts: what state, actions and cameras mean. Adding one is one file and one line here.

==========  ========================================================================================================
base        `Layout`: names, units, cameras, conventions, facts, the way there and back
facts       kinds and sizes of state and actions, the gripper's sense, fingers: what else is asked of a layout
openpi      the two kinds of data that openpi trains on
command     what a step asks of a robot, free of any simulator's signs and scales
controller  ManiSkill's controllers: normalised actions to a command and back
rotations   quaternions, axis-angles, Euler angles
recognise   which layout the names of a dataset's dimensions are those of
==========  ========================================================================================================

The layouts themselves are `libero`, `droid`, `maniskill` (joint and tcp) and `native`.
"""

from mstool.defaults import DEFAULT_LAYOUT
from mstool.layouts.base import Camera, Layout, VectorMeaning
from mstool.layouts.droid import DroidLayout
from mstool.layouts.libero import LiberoLayout
from mstool.layouts.maniskill import JointLayout, TcpLayout
from mstool.layouts.native import NativeLayout
from mstool.nearest import unknown

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (LiberoLayout(), DroidLayout(), JointLayout(), TcpLayout(), NativeLayout())
}

__all__ = ["DEFAULT_LAYOUT", "LAYOUTS", "Camera", "Layout", "VectorMeaning", "get_layout"]


def get_layout(name: str) -> Layout:
    """Look a layout up; UsageError for an unknown name, with the nearest known one."""
    if name in LAYOUTS:
        return LAYOUTS[name]
    raise unknown("layout", name, LAYOUTS, "--layout")
