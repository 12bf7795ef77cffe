"""MS110 to MS114, MS116: the episode table, the task table, and the index columns."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mstool.dataset.episode_table import read_task_names
from mstool.dataset.files import V3_EPISODES_FOLDER, V3_TASKS, Unavailable, data_file
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.report import Issue

_EPISODES = "the episode table"
# From dataset rows to the seconds of a video: half a frame is as far as a position may be off.


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
            yield Issue(str(why), feature=V3_EPISODES_FOLDER)
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
        per_file: dict[Path, int] = {}
        for row in data.episodes:
            path = data_file(data.root, data.info, row.data)
            per_file[path] = per_file.get(path, 0) + row.length
        for path, length in per_file.items():
            rows = data.row_counts.get(path)
            if rows is not None and rows != length:
                name = str(path).removeprefix(f"{data.root}/")
                yield Issue(
                    "the lengths of a file's episodes do not add up to its rows",
                    feature=name,
                    observed=f"{length} by {_EPISODES}",
                    expected=f"{rows} rows",
                )


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
            yield Issue(str(why), feature="meta/tasks")
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
