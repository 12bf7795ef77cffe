"""Which layout a dataset's feature names are those of.

LeRobot keeps the names of features through every edit and conversion, while it drops what it does not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mstool.dataset.column_names import ACTION_COLUMNS, STATE_COLUMNS, column_names
from mstool.layouts import LAYOUTS
from mstool.layouts.base import Layout


@dataclass(frozen=True)
class Recognised:
    """A layout, and the control mode that names its actions."""

    layout: Layout
    control_mode: str


def recognise(features: Mapping[str, Any]) -> Recognised | None:
    """Return the layout whose names the state and the actions carry, all of them and in its order; None where none is.

    Parameters
    ----------
    features
        The feature table of a dataset's description.

    """
    state, actions = column_names(features, STATE_COLUMNS), column_names(features, ACTION_COLUMNS)
    if not state or not actions:
        return None
    for layout in LAYOUTS.values():
        for mode in layout.control_modes:
            if state == layout.state.names and actions == layout.action(mode).names:
                return Recognised(layout, mode)
    return None
