"""The images' histograms of every episode, kept in the dataset: merging and exporting keep its statistics exact."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import HISTOGRAMS_FILE
from mstool.errors import DataError
from mstool.paths import quoted

# What numpy raises for a file that is not what `write_histograms` wrote; its words are for whoever trusts the file.
_DAMAGE = (ValueError, TypeError, KeyError, EOFError, NotImplementedError, RuntimeError, BadZipFile, zlib.error)


def write_histograms(root: Path, counts: Mapping[str, Array]) -> None:
    """Write one array (E, 3, 256) per view: how often each 8-bit value occurs in each colour channel."""
    path = root / HISTOGRAMS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **counts)  # type: ignore[arg-type]


def read_histograms(root: Path, views: Sequence[str], episodes: int) -> dict[str, Array] | None:
    """Return {view: (E, 3, 256)}; None for a dataset that was written without.

    Raises
    ------
    DataError
        The file cannot be read, is damaged or belongs to another dataset.

    """
    path = root / HISTOGRAMS_FILE
    if not path.is_file():
        return None
    # Then the images are decoded again.
    fix = f"rm {quoted(path)}"
    try:
        with np.load(path) as file:
            # By the headers: an array is made as large as its header says before the first byte is read.
            fits = all(_shape(file, view) == (episodes, 3, 256) for view in views)
            counts = {view: np.asarray(file[view]) for view in views} if fits else {}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", fix=fix) from error
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged; without it the images are decoded again", fix=fix) from error
    if not fits:
        raise DataError(f"{path} is of another dataset; without it the images are decoded again", fix=fix)
    return counts


def _shape(file: Any, view: str) -> tuple[int, ...]:
    """Return the shape that an array's header says; () where its numbers are larger than counts are."""
    with file.zip.open(f"{view}.npy") as entry:
        form: Any = np.lib.format
        read = form.read_array_header_1_0 if form.read_magic(entry) == (1, 0) else form.read_array_header_2_0
        shape, _, kind = read(entry)
    return tuple(shape) if kind.kind in "iu" and kind.itemsize <= 8 else ()
