"""One episode as a Rerun recording (`rerun episode.rrd`): views, state and actions on one time line."""

from pathlib import Path
from typing import Any

import numpy as np

from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.vectors import name_of
from mstool.validators.sampling import SampledView
from mstool.validators.show.draw import columns_of, episode_columns

_BATCH = 64


def write_rerun(data: SampledView, row: EpisodeRow, path: Path) -> None:
    """Write the recording.

    LeRobot's own visualiser opens v3.0 datasets only, and those that its reader accepts; this one opens all.
    """
    import importlib

    # An optional library: not named in an import statement, so that type checking does not ask for it.
    rr: Any = importlib.import_module("rerun")

    recording = rr.RecordingStream("mstool", recording_id=f"{data.root.resolve().name}-{row.index}")
    recording.save(str(path))
    for what in ("state", "actions"):
        columns = columns_of(data, what)
        values = episode_columns(data, row, columns)
        for column in columns:
            for dim in range(values[column].shape[1]):
                for frame, value in enumerate(values[column][:, dim]):
                    _at(recording, frame, data.fps)
                    recording.log([what, column, f"{dim} {name_of(data, column, dim)}"], rr.Scalars(float(value)))
    for camera in data.cameras:
        for start in range(0, row.length, _BATCH):
            frames = list(range(start, min(start + _BATCH, row.length)))
            for frame, picture in zip(frames, data.pictures(row, camera, frames), strict=True):
                _at(recording, frame, data.fps)
                recording.log([camera], rr.Image(np.ascontiguousarray(picture)).compress(jpeg_quality=90))
    recording.flush()


def _at(recording: Any, frame: int, fps: float) -> None:
    recording.set_time("frame", sequence=frame)
    recording.set_time("time", duration=frame / fps)
