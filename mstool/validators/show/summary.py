"""Numbers of a dataset for a table."""

from typing import Any

import numpy as np

from mstool.dataset.files import Unavailable
from mstool.dataset.vectors import action_columns, name_of, state_columns
from mstool.layouts import LAYOUTS
from mstool.validators.sampling import SampledView


def summary(data: SampledView) -> dict[str, Any]:
    """Return what a dataset holds: sizes, cameras, tasks, and every dimension's name, unit and range.

    Lengths are in frames, ranges in the dimension's unit; None where a dimension has no finite value.

    Raises
    ------
    Unavailable
        Something cannot be read.

    """
    if not data.episodes:
        raise Unavailable("it has no episodes")
    lengths = np.array([row.length for row in data.episodes])
    per_task: dict[str, int] = {}
    for row in data.episodes:
        for task in row.tasks:
            per_task[task] = per_task.get(task, 0) + 1
    return {
        "dataset": data.root.resolve().name,
        "version": data.version,
        "robot": str(data.info.get("robot_type") or ""),
        "layout": data.record.layout or "not declared",
        "control_mode": data.record.control_mode or "not declared",
        "fps": data.fps,
        "episodes": len(lengths),
        "frames": int(lengths.sum()),
        "length": {"min": int(lengths.min()), "median": int(np.median(lengths)), "max": int(lengths.max())},
        "size_mb": round(sum(p.stat().st_size for p in data.root.rglob("*") if p.is_file()) / 1e6, 1),
        "cameras": {
            name: {"height": feature["shape"][0], "width": feature["shape"][1], "storage": feature["dtype"]}
            for name, feature in data.cameras.items()
        },
        "tasks": per_task,
        "dimensions": [*_dimensions(data, state_columns(data)), *_dimensions(data, action_columns(data))],
    }


def _dimensions(data: SampledView, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for column in columns:
        data.need_columns(column)
        values = np.concatenate([part.columns[column] for part in data.sample]).astype(np.float64)
        for dim in range(values.shape[1]):
            mine = values[:, dim][np.isfinite(values[:, dim])]
            numbers = (mine.min(), mine.mean(), mine.max()) if mine.size else (None,) * 3
            rows.append(
                {
                    "column": column,
                    "dim": dim,
                    "name": name_of(data, column, dim),
                    "unit": unit_of(data, column, dim),
                    **{
                        key: None if value is None else float(value)
                        for key, value in zip(("min", "mean", "max"), numbers, strict=True)
                    },
                }
            )
    return rows


def unit_of(data: SampledView, column: str, dim: int) -> str:
    """Return a dimension's declared unit, empty where there is none.

    Units are declared under LeRobot's v3.0 names, whatever the version.
    """
    units = data.record.units
    parts = {name: part.start or 0 for layout in LAYOUTS.values() for name, part in layout.openpi_state}
    alias = "observation.state" if column in parts else {"actions": "action"}.get(column, column)
    start = parts.get(column, 0)
    declared = units.get(column) or units.get(alias)
    at = dim + (start if column not in units else 0)
    return declared[at] if declared and at < len(declared) else ""
