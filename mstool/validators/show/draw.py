"""Still pictures: a contact sheet, and curves with names and units."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from mstool.contract import Array
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import Unavailable
from mstool.dataset.vectors import action_columns, name_of, state_columns
from mstool.markup import plot_text
from mstool.validators.sampling import SampledView
from mstool.validators.show.summary import unit_of
from mstool.validators.svg import COLOURS

MOMENTS = 6


def episode_columns(data: SampledView, row: EpisodeRow, columns: tuple[str, ...]) -> dict[str, Array]:
    """Return one episode's columns, (T, D) each."""
    data.need_columns(*columns)
    for rows in data.rows():
        if rows.episode == row.index:
            return {column: rows.columns[column] for column in columns}
    raise Unavailable(f"episode {row.index} has no rows")


def columns_of(data: SampledView, what: Literal["state", "actions"]) -> tuple[str, ...]:
    """Return the columns of the state or the actions."""
    return state_columns(data) if what == "state" else action_columns(data)


def draw_sheet(data: SampledView, row: EpisodeRow, path: Path) -> None:
    """Write every camera at a few moments of an episode."""
    from matplotlib.figure import Figure

    cameras = list(data.cameras)
    if not cameras:
        raise Unavailable("the dataset has no camera")
    moments = [int(i) for i in np.linspace(0, row.length - 1, min(MOMENTS, row.length)).round()]
    figure = Figure(figsize=(2.1 * len(moments), 2.35 * len(cameras) + 0.5), layout="constrained")
    axes = figure.subplots(len(cameras), len(moments), squeeze=False)
    for line, camera in zip(axes, cameras, strict=True):
        pictures = data.pictures(row, camera, moments)
        for cell, picture, moment in zip(line, pictures, moments, strict=True):
            cell.imshow(picture)
            cell.set(xticks=[], yticks=[])
            cell.set_title(f"frame {moment}, {moment / data.fps:.2f} s", fontsize=8)
        line[0].set_ylabel(plot_text(camera), fontsize=8)
    figure.suptitle(f"episode {row.index}: {plot_text(', '.join(row.tasks))}", fontsize=10)
    figure.savefig(path, dpi=100)


def draw_curves(data: SampledView, row: EpisodeRow, what: Literal["state", "actions"], path: Path) -> None:
    """Write one small plot per dimension of the state or the actions."""
    from matplotlib.figure import Figure

    columns = columns_of(data, what)
    values = episode_columns(data, row, columns)
    dims = [(column, dim) for column in columns for dim in range(values[column].shape[1])]
    across = 4
    down = -(-len(dims) // across)
    figure = Figure(figsize=(3.1 * across, 1.9 * down + 0.4), layout="constrained")
    axes: Any = figure.subplots(down, across, squeeze=False, sharex=True)
    for cell in axes.ravel()[len(dims) :]:
        cell.set_visible(False)
    for number, (cell, (column, dim)) in enumerate(zip(axes.ravel(), dims, strict=False)):
        series = values[column][:, dim]
        cell.plot(np.arange(len(series)) / data.fps, series, color=COLOURS[number % len(COLOURS)])
        unit = unit_of(data, column, dim)
        cell.set_title(plot_text(f"{column}[{dim}] {name_of(data, column, dim)}"), fontsize=8)
        cell.set_ylabel(plot_text(unit), fontsize=7)
        cell.tick_params(labelsize=7)
        cell.grid(alpha=0.3)
    figure.supxlabel("s", fontsize=8)
    figure.suptitle(f"{what}, episode {row.index}", fontsize=10)
    figure.savefig(path, dpi=100)
