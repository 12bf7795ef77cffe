"""An episode as a film: the cameras side by side, the curves of state and actions under them with a moving line."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mstool.contract import Array
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import Unavailable
from mstool.dataset.vectors import name_of
from mstool.markup import plot_text
from mstool.validators.sampling import SampledView
from mstool.validators.show.draw import columns_of, episode_columns
from mstool.validators.svg import COLOURS

_HEIGHT = 256
_CURVES_PX = 300
# Frames decoded at a time, so that memory does not grow with the episode.
_BATCH = 64
_LINE = np.array([20, 20, 20], np.uint8)


def write_film(data: SampledView, row: EpisodeRow, path: Path) -> None:
    """Write an H.264 mp4 at the dataset's fps.

    Raises
    ------
    Unavailable
        A picture or column cannot be read.

    """
    if not data.cameras:
        raise Unavailable("the dataset has no camera")
    first = _cameras(data, row, [0])[0]
    curves, starts, ends = _curves(data, row, first.shape[1])
    rate = Fraction(data.fps).limit_denominator(1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height = first.shape[1], first.shape[0] + curves.shape[0]
        stream.pix_fmt = "yuv420p"
        for start in range(0, row.length, _BATCH):
            frames = list(range(start, min(start + _BATCH, row.length)))
            for number, views in zip(frames, _cameras(data, row, frames), strict=True):
                share = number / max(row.length - 1, 1)
                under = curves.copy()
                for left, right in zip(starts, ends, strict=True):
                    at = int(left + share * (right - left))
                    under[:, max(at - 1, 0) : at + 1] = _LINE
                frame = av.VideoFrame.from_ndarray(np.concatenate([views, under]), format="rgb24")
                for packet in stream.encode(frame):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _cameras(data: SampledView, row: EpisodeRow, frames: list[int]) -> list[Array]:
    """Return the views side by side, (H, W, 3) each frame, with even sides as H.264 wants them."""
    from PIL import Image

    columns = []
    for camera in data.cameras:
        pictures = data.pictures(row, camera, frames)
        height, width = pictures[0].shape[:2]
        wide = round(width * _HEIGHT / height) // 2 * 2
        columns.append([np.asarray(Image.fromarray(p).resize((wide, _HEIGHT))) for p in pictures])
    return [np.concatenate(views, axis=1) for views in zip(*columns, strict=True)]


def _curves(data: SampledView, row: EpisodeRow, width: int) -> tuple[Array, list[float], list[float]]:
    """Draw state and actions side by side, (H, width, 3), and return where their time axes start and end, px."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 100, _CURVES_PX / 100), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    for cell, what in zip(axes, ("state", "actions"), strict=True):
        columns = columns_of(data, what)  # type: ignore[arg-type]
        values = episode_columns(data, row, columns)
        names = [name_of(data, c, d) for c in columns for d in range(values[c].shape[1])]
        series = np.concatenate([values[c] for c in columns], axis=1)
        time = np.arange(len(series)) / data.fps
        for number, name in enumerate(names):
            cell.plot(time, series[:, number], lw=1, color=COLOURS[number % len(COLOURS)], label=plot_text(name))
        cell.set_xlim(0, max(time[-1], 1e-6))
        cell.set_title(f"{what}, s", fontsize=7)
        cell.tick_params(labelsize=6)
        cell.legend(fontsize=5, ncols=2, loc="upper right", framealpha=0.5)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    fitted = np.full((_CURVES_PX, width, 3), 255, np.uint8)
    height, wide = min(pixels.shape[0], _CURVES_PX), min(pixels.shape[1], width)
    fitted[:height, :wide] = pixels[:height, :wide]
    boxes = [cell.get_window_extent() for cell in axes]
    return fitted, [box.x0 for box in boxes], [box.x1 for box in boxes]
