"""MS110 to MS114, MS116: the episode table, the task table, and the index columns."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mstool.dataset.episode_table import EpisodeRow, read_task_names
from mstool.dataset.files import V3_EPISODES_FOLDER, V3_TASKS, Unavailable, data_file
from mstool.dataset.parquet_files import open_parquet
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.structure_files import short
from mstool.validators.report import Issue

_EPISODES = "the episode table"


@register
class EpisodeTable(Check):
    """MS110."""

    code, family = "MS110", "structure"
    title = "the episode table is in order: indices, lengths, row ranges"
    meaning = (
        "LeRobot looks episodes up by position: a shuffled table pairs frames with another episode's video and task"
    )
    fix = f"convert the demos again; do not edit, filter or sort {V3_EPISODES_FOLDER} by hand"

    def run(self, context: Context) -> Iterator[Issue]:
        """Check each row against its position, and its length against the data."""
        data = context.data
        _ = data.info
        try:
            _ = data.episodes
        except Unavailable as why:
            yield Issue(str(why), feature=V3_EPISODES_FOLDER, fix=why.fix)
            return
        first = 0
        for position, row in enumerate(data.episodes):
            if row.index != position:
                yield Issue(
                    "a row of the episode table is not at its position",
                    episode=row.index,
                    feature="episode_index",
                    observed=f"episode {row.index} in row {position}",
                )
            if row.length < 1:
                yield Issue("an episode without frames", episode=row.index, feature="length", observed=str(row.length))
            if row.rows is not None and row.rows != (first, first + row.length):
                yield Issue(
                    "dataset_from_index and dataset_to_index do not follow from the lengths",
                    episode=row.index,
                    feature="dataset_from_index",
                    observed=f"{row.rows[0]}:{row.rows[1]}",
                    expected=f"{first}:{first + row.length}",
                )
            first += row.length
        yield from self._lengths(context)

    @staticmethod
    def _lengths(context: Context) -> Iterator[Issue]:
        data = context.data
        per_file: dict[Path, list[EpisodeRow]] = {}
        for row in data.episodes:
            per_file.setdefault(data_file(data.root, data.info, row.data), []).append(row)
        # {an episode: the file with its rows}, of the files that the table does not name.
        stray = {_first_episode(path): path for path in data.unnamed_row_counts}
        for episode in stray.keys() - {row.index for row in data.episodes}:
            yield Issue(
                f"{_EPISODES} names no episode for a data file, whose rows are loaded all the same",
                "warning",
                feature=short(data, stray[episode]),
                observed=f"rows of episode {episode}",
                fix="move the file away, or add its episodes to the table",
            )
        for path, episodes in per_file.items():
            rows, length = data.row_counts.get(path), sum(row.length for row in episodes)
            if rows is None or rows == length:
                continue
            moved = [row.index for row in episodes if row.index in stray]
            for episode in moved:
                yield Issue(
                    "the episode table names another file than the one that the rows are in",
                    feature="data/file_index",
                    episode=episode,
                    observed=short(data, path),
                    expected=short(data, stray[episode]),
                    fix=f"set the episode's data/chunk_index and data/file_index in {V3_EPISODES_FOLDER} to that file",
                )
            if not moved:
                yield Issue(
                    "the lengths of a file's episodes do not add up to its rows",
                    feature=short(data, path),
                    observed=f"{length} by {_EPISODES}",
                    expected=f"{rows} rows",
                )


def _first_episode(path: Path) -> int | None:
    """Return the episode of a file's first row; None where it cannot be read."""
    try:
        with open_parquet(path) as file:
            for batch in file.iter_batches(batch_size=1, columns=["episode_index"]):
                return int(batch.column(0)[0].as_py())
    except Exception:  # noqa: BLE001  # arrow raises many kinds
        return None
    return None


@register
class IndexColumns(Check):
    """MS111."""

    code, family = "MS111", "structure"
    title = "index, episode_index and frame_index count without gaps, in the order of the episode table"
    meaning = "frames are fetched by position: a gap or a shuffle pairs an observation with another moment's action"
    fix = "convert the demos again; renumber the columns after filtering or merging"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare every column with what position and lengths demand."""
        data = context.data
        data.need_columns("episode_index", "frame_index", "index")
        whole = set(data.row_counts) == set(data.data_files)
        expected_index = 0
        for position, rows in enumerate(data.rows()):
            count = np.arange(len(rows))
            if whole and rows.episode != position:
                yield Issue(
                    "episodes are not in order",
                    episode=rows.episode,
                    feature="episode_index",
                    observed=str(rows.episode),
                    expected=str(position),
                )
            start = expected_index if whole else int(rows.columns["index"][0, 0])
            for name, wanted in (("frame_index", count), ("index", count + start)):
                values = rows.columns[name][:, 0]
                wrong = np.flatnonzero(values != wanted)
                if wrong.size:
                    at = int(wrong[0])
                    yield Issue(
                        f"{name} does not count up",
                        episode=rows.episode,
                        frame=at,
                        feature=name,
                        observed=str(values[at]),
                        expected=str(wanted[at]),
                    )
            expected_index += len(rows)


@register
class RowsOfEpisodes(Check):
    """MS112."""

    code, family = "MS112", "structure"
    title = "every episode has the number of rows that the episode table says"
    meaning = "the end of an episode is taken from the table: windows reach into the next one, or stop early"
    fix = "convert the demos again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare."""
        data = context.data
        data.need_columns("episode_index")
        table = {row.index: row.length for row in data.episodes}
        for rows in data.rows():
            if rows.episode not in table:
                yield Issue("rows of an episode that the table lacks", episode=rows.episode, feature="episode_index")
            elif table[rows.episode] != len(rows):
                yield Issue(
                    "another number of rows than the table says",
                    episode=rows.episode,
                    feature="length",
                    observed=str(len(rows)),
                    expected=str(table[rows.episode]),
                )


@register
class TaskTable(Check):
    """MS113."""

    code, family = "MS113", "structure"
    title = "the task table counts from 0 and holds each sentence once"
    meaning = "LeRobot looks tasks up by position: every episode gets another episode's instruction"
    fix = "write the table in order of task_index, one row per distinct sentence"

    def run(self, context: Context) -> Iterator[Issue]:
        """Check positions and sentences."""
        _ = context.data.info
        try:
            tasks = context.data.tasks
        except Unavailable as why:
            yield Issue(str(why), feature="meta/tasks", fix=why.fix)
            return
        if not tasks:
            yield Issue("the task table is empty", feature="meta/tasks")
        seen: set[str] = set()
        for position, (index, task) in enumerate(tasks):
            if index != position:
                yield Issue(
                    "task_index is not the position in the table",
                    feature="task_index",
                    observed=str(index),
                    expected=str(position),
                )
            if task in seen:
                yield Issue("a sentence is in the table twice", feature="task", observed=task)
            seen.add(task)


@register
class TaskSentences(Check):
    """MS116."""

    code, family = "MS116", "structure"
    title = "LeRobot finds the sentences of the task table"
    meaning = 'LeRobot reads the index that pandas keeps in the file, whatever the columns: the prompt becomes "0"'
    fix = (
        'python -c "import pandas, sys; p = sys.argv[1]; '
        f"pandas.read_parquet(p).reset_index().set_index('task')[['task_index']].to_parquet(p)\" DATASET/{V3_TASKS}"
    )

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare the index with the sentences."""
        data = context.data
        if data.version != "v3.0":
            raise Skip("v2.1 keeps its tasks in lines of JSON")
        try:
            names = read_task_names(data.root)
        except Unavailable as why:
            if data.tasks:  # else the table is broken itself: MS113
                yield Issue(str(why), feature="meta/tasks")
            return
        for name, (index, task) in zip(names, data.tasks, strict=False):
            if name != task:
                yield Issue(
                    "the sentence is no index of the table",
                    feature="task",
                    observed=f"task {index}: {name!r}",
                    expected=repr(task),
                )


@register
class TaskIndices(Check):
    """MS114."""

    code, family = "MS114", "structure"
    title = "every frame's task_index names the task of its episode"
    meaning = "the policy is trained on another task's instruction"
    fix = "write task_index as the position of the episode's sentence in the task table"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare the column with both tables; readers take the sentence of the task table alone."""
        data = context.data
        data.need_columns("task_index")
        names = dict(data.tasks)
        tasks = {row.index: row.tasks for row in data.episodes}
        if not names:
            raise Skip("the task table is empty")
        known = set(names.values())
        for rows in data.rows():
            for value in np.unique(rows.columns["task_index"]):
                name = names.get(int(value))
                if name is None:
                    yield Issue(
                        "no such task",
                        episode=rows.episode,
                        feature="task_index",
                        observed=str(value),
                        expected=f"0..{len(names) - 1}",
                    )
                elif rows.episode in tasks and name not in tasks[rows.episode]:
                    contradicted = not known.isdisjoint(tasks[rows.episode])
                    more = "" if contradicted else ", which the task table lacks"
                    yield Issue(
                        f"the frames' task is not the episode's{more}",
                        "error" if contradicted else "warning",
                        episode=rows.episode,
                        feature="task_index",
                        observed=name,
                        expected=" or ".join(tasks[rows.episode]),
                    )
