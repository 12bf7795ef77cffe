"""Histograms of every dimension with q01 and q99 marked."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mstool.atomic import written_aside
from mstool.errors import DataError, UsageError
from mstool.installation import require
from mstool.markup import plot_text
from mstool.norm_stats.compute import StatsResult
from mstool.norm_stats.problems import StatsVector
from mstool.norm_stats.shape import BINS
from mstool.paths import writable_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ENDINGS = (".png", ".svg", ".pdf")
_ACROSS = 4
_BARS = BINS // 4


def check_plot(path: Path) -> None:
    """Check, before any work, that a plot can be made.

    Raises
    ------
    UsageError
        The file's name is not that of a picture, or nothing can be written there.
    SetupError
        matplotlib is not installed.

    """
    if path.suffix not in _ENDINGS:
        raise UsageError(
            f"--plot {path}: the name ends in none of {', '.join(_ENDINGS)}",
            fix="--plot stats.png",
            change={"--plot": "stats.png"},
        )
    writable_file(path, "--plot")
    require("--plot", ["matplotlib"])


def plot(result: StatsResult, path: Path) -> None:
    """Draw one histogram per dimension of state and actions; counts on a logarithmic axis, or rare outliers vanish.

    Raises
    ------
    DataError
        The file cannot be written.

    """
    # Drawing on a canvas of one's own leaves pyplot's global state, and any display, alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cells = [(vector, dim) for vector in (result.state, result.actions) for dim in range(len(vector.names))]
    down = -(-len(cells) // _ACROSS)
    figure = Figure(figsize=(4 * _ACROSS, 2.4 * down), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (vector, dim) in enumerate(cells):
        _draw(figure.add_subplot(down, _ACROSS, place + 1), vector, dim)
    try:
        with written_aside(path) as aside:
            figure.savefig(aside, dpi=110)
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror}",
            fix="--plot a file in a folder you can write to",
            change={"--plot": "stats.png"},
        ) from error


def _draw(axes: "Axes", vector: StatsVector, dim: int) -> None:
    stats = vector.stats
    low, high = float(stats.min[dim]), float(stats.max[dim])
    unit = f" [{vector.units[dim]}]" if vector.units[dim] else ""
    edge = f"q01 {stats.q01[dim]:.3g}, q99 {stats.q99[dim]:.3g}"
    name = plot_text(f"{vector.key}[{dim}] {vector.names[dim]}{unit}")
    axes.set_title(f"{name}\n{edge}", fontsize=8)
    axes.tick_params(labelsize=7)
    if not np.isfinite(low):
        return
    # A constant gets a bar of some width.
    edges = np.linspace(low, high, _BARS + 1) if high > low else low + np.linspace(-0.5, 0.5, _BARS + 1)
    counts = vector.shape.histogram[dim].reshape(_BARS, -1).sum(axis=1)
    counts = counts if high > low else np.roll(counts, _BARS // 2)
    axes.stairs(counts, edges, fill=True, color="#7a9cc6")
    axes.set_yscale("symlog")
    for value in (stats.q01[dim], stats.q99[dim]):
        axes.axvline(float(value), color="#c0392b", linewidth=1)
