"""Episodes of datasets made elsewhere, as `mstool.dataset.formats` writes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mstool.contract import Array
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.formats.base import VideoPart
from mstool.errors import DataError
from mstool.maniskill2lerobot.rewrite.elsewhere import image_stats
from mstool.maniskill2lerobot.rewrite.elsewhere.rows import RowReader
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source
from mstool.maniskill2lerobot.rewrite.elsewhere.storage import Changed
from mstool.maniskill2lerobot.rewrite.elsewhere.videos import decode_part
from mstool.paths import quoted
from mstool.progress import Progress


@dataclass(frozen=True)
class CarriedEpisode:
    """An episode as it is stored, under the names of the result (`mstool.dataset.formats.base.EpisodeContent`)."""

    source: Source
    row: EpisodeRow
    reader: RowReader
    # {task index there: task index in the result}.
    task_indices: Mapping[int, int]
    # {column: part} of videos, and {column: statistics} of pictures.
    parts: Mapping[str, VideoPart]
    pictures: Mapping[str, Mapping[str, Array]]
    # What the episode table says of every episode of the result, though no format knows it.
    noted: Sequence[str]
    # Pictures that are stored in another way than they were.
    changed: Changed

    @property
    def tasks(self) -> tuple[str, ...]:
        """The sentences that the episode table gives."""
        return self.row.tasks

    @property
    def frames(self) -> int:
        """T."""
        return self.row.length

    @property
    def more(self) -> dict[str, Any]:
        """What else the episode table says."""
        return {name: self.row.more.get(name) for name in self.noted}

    def columns(self) -> dict[str, pa.Array]:
        """Return the rows as they are stored, the tasks numbered as in the result."""
        columns = self.reader.read(self.row)
        tasks = columns["task_index"].to_pylist()
        unknown = sorted({task for task in tasks if task not in self.task_indices}, key=str)
        if unknown:
            raise DataError(
                f"{self.source.root}: episode {self.row.index} is of task {unknown[0]}, which the task table lacks",
                fix=f"mstool validate {quoted(self.source.root)}",
            )
        columns |= self.changed.rows(self.row.index)
        return columns | {"task_index": pa.array([self.task_indices[task] for task in tasks], pa.int64())}

    def video(self, column: str) -> VideoPart:
        """Return where the pictures are."""
        return self.parts[column]

    def image_stats(self, column: str) -> Mapping[str, Array]:
        """Return the column's statistics."""
        return self.pictures.get(column, {})


def picture_stats(
    source: Source, parts: Mapping[str, Sequence[VideoPart]], known: Mapping[str, Sequence[Mapping[str, Array]]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return {column: statistics} of each episode's pictures, and the columns whose pictures had to be decoded for it.

    `known` are those that were counted already, by column. Those that an episode has are kept. A column's pictures are
    all counted where one episode has none.
    """
    features = source.features
    cameras = [name for name, spec in features.items() if spec["dtype"] in {"image", "video"}]
    kept: dict[str, list[Any]] = {
        name: list(known[name])
        if name in known
        else [image_stats.usable(row.stats.get(source.columns[name], {}), features[name]) for row in source.rows]
        for name in cameras
    }
    lacking = [name for name in cameras if not all(kept[name])]
    counted = [name for name in lacking if image_stats.is_rgb(features[name])]
    reader = RowReader(source)
    if counted:
        with Progress(f"statistics of images of {source.root.name}", len(source.rows), "episode") as progress:
            for index, row in enumerate(source.rows):
                stored = reader.read(row) if any(features[name]["dtype"] == "image" for name in counted) else {}
                for name in counted:
                    what = f"{source.columns[name]} of episode {row.index}"
                    images = (
                        image_stats.decoded(stored[name].field("bytes").to_pylist(), what)
                        if name in stored
                        else decode_part(parts[name][index], float(source.info.fps))
                    )
                    kept[name][index] = image_stats.count(images)
                progress.update()
    # What cannot be counted is left out of every episode.
    told = [name for name in cameras if all(kept[name])]
    return [{name: kept[name][index] for name in told} for index in range(len(source.rows))], counted


def task_table(sources: Sequence[Source]) -> tuple[list[str], list[dict[int, int]]]:
    """Return the sentences of all, in the order of their tables, and each dataset's {index there: index here}."""
    sentences: dict[str, int] = {}
    for source in sources:
        for index in sorted(source.tasks):
            sentences.setdefault(source.tasks[index], len(sentences))
    return list(sentences), [{i: sentences[text] for i, text in source.tasks.items()} for source in sources]


def common_names(sources: Sequence[Source]) -> tuple[list[str], list[str]]:
    """Return what the episode tables say beyond the formats: what one table can hold, and what it cannot."""
    names = dict.fromkeys(name for source in sources for row in source.rows for name in row.more)
    kept = [name for name in names if _is_column([row.more.get(name) for s in sources for row in s.rows])]
    return kept, [name for name in names if name not in kept]


def _is_column(values: list[Any]) -> bool:
    try:
        pa.array(values)
        json.dumps(values)
    except (pa.ArrowException, TypeError, ValueError):
        return False
    return True


def same_statistics(episodes: Sequence[Mapping[str, Mapping[str, Array]]]) -> list[dict[str, dict[str, Array]]]:
    """Keep the columns and statistics that all episodes have: a table has one set of columns."""
    columns = [name for name in episodes[0] if all(name in each for each in episodes)]
    names = {column: [n for n in episodes[0][column] if all(n in e[column] for e in episodes)] for column in columns}
    return [{column: {n: each[column][n] for n in names[column]} for column in columns} for each in episodes]
