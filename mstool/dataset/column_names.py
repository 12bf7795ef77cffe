"""Which columns are the state and the actions, and what their dimensions are called, as LeRobot and openpi say it."""

from collections.abc import Mapping, Sequence
from typing import Any

# Alternatives, the first that is there counts; the columns of one are read one after the other.
STATE_COLUMNS = (("observation.state",), ("state",), ("joint_position", "gripper_position"))
ACTION_COLUMNS = (("action",), ("actions",))
# The position of a hidden goal marker, with `--goal state`; LeRobot's word for what is neither robot nor picture.
GOAL_COLUMN = "observation.environment_state"
GOAL_COLUMNS = ((GOAL_COLUMN,), ("goal",))


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
