"""The pictures' histograms of every episode, kept in the dataset: merging and exporting keep its statistics exact."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import HISTOGRAMS_FILE
from mstool.errors import DataError
from mstool.maniskill2lerobot.writers.episodes import Episode


def write_histograms(episodes: Sequence[Episode], root: Path) -> None:
    """Write one array (E, 3, 256) per view: how often each 8-bit value occurs in each colour channel."""
    path = root / HISTOGRAMS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    views = [camera.view for camera in episodes[0].recipe.cameras]
    counts = {view: np.array([episode.mark.histograms[view] for episode in episodes], np.int64) for view in views}
    np.savez_compressed(path, **counts)  # type: ignore[arg-type]


def read_histograms(root: Path, views: Sequence[str], episodes: int) -> dict[str, Array] | None:
    """Return {view: (E, 3, 256)}; None for a dataset that was written without.

    Raises
    ------
    DataError
        The file is damaged or belongs to another dataset.

    """
    path = root / HISTOGRAMS_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path) as file:
            # By the headers: an array is made as large as its header says before the first byte is read.
            fits = all(_shape(file, view) == (episodes, 3, 256) for view in views)
            counts = {view: np.asarray(file[view]) for view in views} if fits else {}
    except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
        raise DataError(f"{path} is damaged: {error}", fix="remove it: the images are then decoded again") from error
    if not fits:
        raise DataError(f"{path} is of another dataset", fix="remove it: the images are then decoded again")
    return counts


def _shape(file: Any, view: str) -> tuple[int, ...]:
    """Return the shape that an array's header says; () where its numbers are larger than counts are."""
    with file.zip.open(f"{view}.npy") as entry:
        form: Any = np.lib.format
        read = form.read_array_header_1_0 if form.read_magic(entry) == (1, 0) else form.read_array_header_2_0
        shape, _, kind = read(entry)
    return tuple(shape) if kind.kind in "iu" and kind.itemsize <= 8 else ()
