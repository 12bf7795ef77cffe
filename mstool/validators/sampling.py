"""How much of a large dataset validation looks at: some of the files, episodes and pictures, spread evenly."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mstool.contract import INDEX_COLUMNS
from mstool.dataset.description import Dataset
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import Unavailable
from mstool.dataset.view import DatasetView, Rows

# Above this many frames only some of the data files are read, unless everything is asked for.
MANY_FRAMES = 2_000_000
# Episodes that checks of meaning look at.
SAMPLED_EPISODES = 64
# Episodes of a task whose pictures are decoded, the most of all tasks together, pictures of each, and files that are
# opened.
PICTURED_EPISODES = 6
MOST_PICTURED = 24
PICTURES = 8
OPENED_FILES = 100
# Data files with images that are read for the headers in them.
MANY_BYTES = 1 << 30
_SKIPPED = set(INDEX_COLUMNS) - {"timestamp", "episode_index"}


class SampledView(DatasetView):
    """A dataset as checks see it.

    Parameters
    ----------
    root
        The dataset's folder.
    full
        Whether everything is looked at, however long that takes.

    """

    def __init__(self, root: Path, *, full: bool = False) -> None:
        super().__init__(root)
        self.full = full

    def _open(self) -> Dataset:
        dataset = super()._open()
        if self.full or dataset.frames <= MANY_FRAMES:
            return dataset
        step = int(np.ceil(dataset.frames / MANY_FRAMES))
        return replace(dataset, files=dataset.files[::step])

    @cached_property
    def sample(self) -> list[Rows]:
        """Some episodes, spread evenly, and those whose pictures are looked at; all of them with `full`."""
        numbers = [rows.episode for rows in self.rows()]
        chosen = set(numbers if self.full else spread(numbers, SAMPLED_EPISODES))
        with contextlib.suppress(Unavailable):
            chosen |= {row.index for row in self.pictured}
        found = [
            Rows(rows.episode, {name: np.array(v) for name, v in rows.columns.items() if name not in _SKIPPED})
            for rows in self.rows()
            if rows.episode in chosen
        ]
        if not found:
            raise Unavailable("the dataset has no frame")
        return found

    @cached_property
    def pictured(self) -> list[EpisodeRow]:
        """The episodes whose pictures are looked at: some of every task, spread evenly."""
        tasks: dict[str, list[EpisodeRow]] = {}
        for row in self.episodes:
            if row.length:
                tasks.setdefault(self.task_names[row.index], []).append(row)
        groups = spread(list(tasks.values()), MOST_PICTURED)
        each = min(PICTURED_EPISODES, MOST_PICTURED // max(len(groups), 1))
        return sorted((row for rows in groups for row in spread(rows, each)), key=lambda row: row.index)

    def some_files(self, files: list[Path]) -> list[Path]:
        """Take at most `OPENED_FILES` of `files`, spread evenly; all of them with `full`."""
        return files if self.full else spread(files, OPENED_FILES)

    def image_files(self) -> list[Path]:
        """Return the data files whose images' headers are read: all, or on large datasets some, spread evenly."""
        files = [path for path in self.some_files(self.data_files) if path in self.row_counts]
        size = sum(path.stat().st_size for path in files)
        return files if self.full or size <= MANY_BYTES else spread(files, max(len(files) * MANY_BYTES // size, 1))

    def video_files(self) -> Iterator[tuple[Path, str]]:
        """Yield every video file that is there, with its camera: their headers and packets are read, no image."""
        for camera in (name for name, f in self.features.items() if f["dtype"] == "video"):
            for path, episodes in self.filmed.items():
                if any(of == camera for _, of in episodes) and path.is_file():
                    yield path, camera


def spread[T](items: list[T], most: int) -> list[T]:
    """Return at most `most` of `items`, spread evenly, with the first and the last."""
    if len(items) <= most:
        return items
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, most).round()]
