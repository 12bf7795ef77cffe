"""MS605 and MS606: statistics in LeRobot's own files, of the dataset and of its episodes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import STATS_FILE, V2_EPISODES_STATS, Unavailable, read_stats
from mstool.dataset.vectors import action_columns, state_columns
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.statistics import exact
from mstool.validators.report import Issue, Note, apart
from mstool.validators.sampling import SampledView

# Exactly computed values agree to rounding; aggregated or sampled ones do not.
_RELATIVE = 1e-4


@register
class LeRobotStats(Check):
    """MS605."""

    code, family = "MS605", "statistics"
    title = f"{STATS_FILE} is that of this data"
    meaning = (
        "LeRobot up to 0.6.1 averages quantiles over episodes, which are then not those of the dataset; edited "
        "datasets keep old ones"
    )
    fix = "mstool stats DATASET"
    COMPARED = ("min", "max", "mean", "std", "q01", "q99")

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare the state's and the actions' entries with exact values."""
        data = context.data
        if data.version != "v3.0":
            raise Skip("v2.1 keeps statistics per episode (MS606)")
        if not (data.root / STATS_FILE).exists():
            raise Skip(f"there is no {STATS_FILE}" + (" (MS705)" if context.target.stats.value == STATS_FILE else ""))
        try:
            stored = read_stats(data.root)
        except Unavailable as why:
            yield Issue(str(why), feature=STATS_FILE, fix=why.fix)
            return
        result = exact(context)
        for column in dict.fromkeys((*state_columns(data), *action_columns(data))):
            entry = stored.get(column)
            if not isinstance(entry, dict):
                yield Issue("no statistics of this column", feature=column)
                continue
            stats = result.features[0][column]
            if stats.nonfinite.any():
                continue
            true = {name: getattr(stats, name) for name in self.COMPARED}
            span = np.maximum(stats.max - stats.min, 1e-6)
            for name in self.COMPARED:
                if name not in entry:
                    continue
                try:
                    values = np.ravel(np.array(entry[name], dtype=np.float64))
                except (TypeError, ValueError):
                    values = np.empty(0)  # words, or lists of several lengths
                if values.shape != true[name].shape:
                    yield Issue(
                        f"{name} has another number of dimensions",
                        feature=column,
                        observed=str(values.size),
                        expected=str(true[name].size),
                    )
                    continue
                off = np.abs(values - true[name]) / span
                dim = int(np.nanargmax(off))
                if not off[dim] <= (0.01 if name in {"q01", "q99"} else _RELATIVE * 10):
                    averaged = _averaged(data, column, name, values)
                    if averaged and name not in context.target.stats_names.value:
                        yield Note(
                            f"{name} of {column} is LeRobot's mean over the episodes: {context.target.name} reads no "
                            "quantile of it (mstool stats makes it exact)"
                        )
                        continue
                    observed, expected = apart(float(values[dim]), float(true[name][dim]))
                    yield Issue(
                        f"{name} is off by {off[dim]:.1%} of the dimension's range"
                        + (": LeRobot wrote the mean over the episodes, which is no quantile" if averaged else ""),
                        # LeRobot's own doing, and its training runs with it; the numbers are this data's.
                        "warning" if averaged else "error",
                        feature=column,
                        dimension=dim,
                        observed=observed,
                        expected=expected,
                    )


def _averaged(data: SampledView, column: str, name: str, values: Array) -> bool:
    """Whether quantiles (D,) are what LeRobot aggregates them to: means of the episodes', weighted by length."""
    try:
        rows = [row for row in data.episodes if name in row.stats.get(column, {})]
        each = np.array([np.ravel(row.stats[column][name]) for row in rows], dtype=np.float64)
        mean = np.average(each, axis=0, weights=[row.length for row in rows])
    except (Unavailable, TypeError, ValueError, ZeroDivisionError):
        return False
    return (
        name in {"q01", "q99"} and mean.shape == values.shape and bool(np.allclose(values, mean, rtol=1e-3, atol=1e-6))
    )


@register
class EpisodeStats(Check):
    """MS606."""

    code, family = "MS606", "statistics"
    title = "per-episode statistics are those of the episodes"
    meaning = "readers aggregate them when datasets are merged or split (v2.1: whenever it is opened)"
    fix = "convert the demos again; mstool stats rewrites the dataset's own statistics only"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare least, greatest and mean value, count, and the shape of image statistics."""
        data = context.data
        stats = {row.index: row.stats for row in data.episodes}
        if not any(stats.values()):
            if data.version == "v2.1":
                yield Issue("episodes_stats.jsonl is missing or empty", feature=V2_EPISODES_STATS)
                return
            raise Skip("the episode table carries no statistics")
        for rows in data.sample:
            mine = stats.get(rows.episode, {})
            if not mine:
                yield Issue("no statistics of this episode", episode=rows.episode)
                continue
            for column in dict.fromkeys((*state_columns(data), *action_columns(data))):
                if column in rows.columns and np.isfinite(rows.columns[column]).all():
                    yield from _episode_column(rows.episode, column, mine.get(column), rows.columns[column])
            for camera in data.cameras:
                yield from _camera(rows.episode, camera, mine.get(camera))


def _episode_column(episode: int, column: str, entry: Any, values: Any) -> Iterator[Issue]:
    if not isinstance(entry, dict):
        yield Issue("no statistics of this column", feature=column, episode=episode)
        return
    true = {"min": values.min(axis=0), "max": values.max(axis=0), "mean": values.mean(axis=0, dtype=np.float64)}
    for name, wanted in true.items():
        try:
            found = np.ravel(np.array(entry.get(name), dtype=np.float64))
        except (TypeError, ValueError):
            found = np.zeros(0)
        off = np.abs(found - wanted) if found.shape == wanted.shape else np.full(1, np.inf)
        if not off.max() <= 1e-3 * max(float(np.abs(wanted).max()), 1e-3):
            dim = int(off.argmax()) if found.shape == wanted.shape else None
            texts = apart(float(found[dim]), float(wanted[dim])) if dim is not None else None
            yield Issue(
                f"{name} is not that of the episode",
                feature=column,
                episode=episode,
                dimension=dim,
                observed=texts[0] if texts else f"{found.size} numbers",
                expected=texts[1] if texts else f"{wanted.size} numbers",
            )
            return
    count = np.ravel(np.array(entry.get("count", len(values))))
    if count.tolist() != [len(values)]:
        yield Issue(
            "count is not the episode's length",
            feature=column,
            episode=episode,
            observed=str(count.tolist()),
            expected=str([len(values)]),
        )


def _camera(episode: int, camera: str, entry: Any) -> Iterator[Issue]:
    if not isinstance(entry, dict):
        yield Issue("no statistics of this view", "warning", feature=camera, episode=episode)
        return
    for name in ("min", "max", "mean", "std"):
        try:
            values = np.array(entry[name], dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            yield Issue(f"image {name} is missing or not numeric", feature=camera, episode=episode)
            return
        if values.shape != (3, 1, 1) or values.max() > 1.001 or values.min() < -0.001:
            yield Issue(
                f"image {name} is not (3, 1, 1) within 0 to 1: LeRobot refuses to aggregate it",
                feature=camera,
                episode=episode,
                observed=f"shape {values.shape}, {values.min():.3g} to {values.max():.3g}",
            )
            return
