"""Which layout a dataset's feature names are those of.

LeRobot keeps the names of features through every edit and conversion, while it drops what it does not know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mstool.layouts import LAYOUTS
from mstool.layouts.base import Layout

# Columns of the state and of the actions, under LeRobot's names and openpi's.
STATE_COLUMNS = (("observation.state",), ("state",), ("joint_position", "gripper_position"))
ACTION_COLUMNS = (("action",), ("actions",))


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
        `meta/info.json`'s feature table.

    """
    state, actions = column_names(features, STATE_COLUMNS), column_names(features, ACTION_COLUMNS)
    if not state or not actions:
        return None
    for layout in LAYOUTS.values():
        for mode in layout.control_modes:
            if state == layout.state.names and actions == layout.action(mode).names:
                return Recognised(layout, mode)
    return None


def column_names(features: Mapping[str, Any], alternatives: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names of the dimensions of the first of `alternatives` that is there, one after the other."""
    for columns in alternatives:
        if all(isinstance(features.get(column), Mapping) for column in columns):
            return tuple(name for column in columns for name in flat_names(features[column].get("names")))
    return ()


def flat_names(names: Any) -> list[str]:
    """Return a feature's names as a flat list; LeRobot also nests them, as {"motors": [...]} or [[...]]."""
    if isinstance(names, dict):
        return flat_names(list(names.values()))
    if isinstance(names, list):
        return [flat for name in names for flat in (flat_names(name) if isinstance(name, dict | list) else [str(name)])]
    return []
