"""From finished shards to datasets in place."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mstool import __version__
from mstool.contract import Array, Storage, Version
from mstool.dataset.episode_log import write_episode_log
from mstool.dataset.formats import FORMATS
from mstool.dataset.histograms import write_histograms
from mstool.dataset.record import write_record
from mstool.dataset.target import put_in_place
from mstool.maniskill2lerobot.writers.episodes import Episode, check_alike, content_of
from mstool.maniskill2lerobot.writers.provenance import episode_log, make_record
from mstool.norm_stats.output import write_exact_stats


def assemble(
    episodes: Sequence[Episode],
    root: Path,
    work: Path,
    formats: Mapping[Version, Storage],
    demos: Sequence[Mapping[str, Any]],
    dropped: Mapping[str, int],
    *,
    overwrite: bool,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write every format from the same shards, add exact statistics, and rename the whole to `root`.

    Parameters
    ----------
    episodes
        Complete shards in the order in which they are stored.
    root, work
        The result, and the folder on the same disk where it is built.
    formats
        {format: how pictures are stored}.
    demos, dropped
        Where the demos come from and how many were dropped for which reason, for the record.
    overwrite
        Replace a dataset at `root`.
    more
        Entries of the record that are not the episodes' own.

    Raises
    ------
    DataError
        The episodes do not belong into one dataset: their control frequency, controllers or sizes differ.

    """
    check_alike(episodes)
    fps = int(episodes[0].mark.controller["fps"])
    built = work / "dataset"
    shutil.rmtree(built, ignore_errors=True)
    for version, storage in formats.items():
        folder = built if len(formats) == 1 else built / version
        folder.mkdir(parents=True)
        FORMATS[version].write(content_of(episodes, version, storage, fps), folder)
        record = make_record(episodes, version, storage, demos, dropped, __version__)
        write_record(folder, replace(record, **(more or {})))
        write_episode_log(folder, episode_log(episodes))
        write_histograms(folder, _histograms(episodes))
        write_exact_stats(folder)
    put_in_place(built, root, overwrite=overwrite)


def _histograms(episodes: Sequence[Episode]) -> dict[str, Array]:
    views = [camera.view for camera in episodes[0].recipe.cameras]
    return {view: np.array([episode.mark.histograms[view] for episode in episodes], np.int64) for view in views}
