"""Which columns are the state and the actions, under either format's names."""

import numpy as np

from mstool.contract import Array
from mstool.dataset.column_names import ACTION_COLUMNS, STATE_COLUMNS, flat_names
from mstool.dataset.files import Unavailable
from mstool.dataset.view import DatasetView, Rows


def state_columns(data: DatasetView) -> tuple[str, ...]:
    """Return the columns that make up the state; Unavailable where there are none."""
    return _first(data, STATE_COLUMNS, "state")


def action_columns(data: DatasetView) -> tuple[str, ...]:
    """Return the column of the actions; Unavailable where there is none."""
    return _first(data, ACTION_COLUMNS, "actions")


def state_of(data: DatasetView, rows: Rows) -> Array:
    """Return an episode's state (T, S), float64."""
    return _joined(data, rows, state_columns(data))


def actions_of(data: DatasetView, rows: Rows) -> Array:
    """Return an episode's actions (T, D), float64."""
    return _joined(data, rows, action_columns(data))


def dimension(data: DatasetView, columns: tuple[str, ...], index: int) -> tuple[str, int, str]:
    """Return the column, the dimension within it, and the name, of dimension `index` of joined columns."""
    for column in columns:
        width = int(np.prod(data.features[column]["shape"]))
        if index < width:
            return column, index, name_of(data, column, index)
        index -= width
    raise IndexError(index)


def name_of(data: DatasetView, column: str, index: int) -> str:
    """Return a dimension's declared name, or its number."""
    names = names_of(data, column)
    return names[index] if index < len(names) else str(index)


def names_of(data: DatasetView, column: str) -> list[str]:
    """Return a column's declared names, flat."""
    return flat_names(data.features[column].get("names"))


def _first(data: DatasetView, alternatives: tuple[tuple[str, ...], ...], what: str) -> tuple[str, ...]:
    for columns in alternatives:
        if all(column in data.features for column in columns):
            return columns
    raise Unavailable(f"there is no column for the {what} ({' or '.join('+'.join(c) for c in alternatives)})")


def _joined(data: DatasetView, rows: Rows, columns: tuple[str, ...]) -> Array:
    data.need_columns(*columns)
    return np.concatenate([rows.columns[column] for column in columns], axis=1).astype(np.float64)
