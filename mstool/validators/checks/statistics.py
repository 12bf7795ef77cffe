"""MS601 to MS604: normalisation statistics, those of openpi's file."""

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from mstool.dataset.files import NORM_STATS_FILE, Unavailable, read_json
from mstool.dataset.vectors import action_columns, state_columns
from mstool.errors import MstoolError
from mstool.norm_stats.check import compare
from mstool.norm_stats.compute import StatsResult, compute
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.state_still import MORE_DEMOS
from mstool.validators.report import Issue, Note, apart
from mstool.validators.sampling import MANY_FRAMES, SampledView
from mstool.validators.tracks import always_resting

_CONFIGS = {
    "pi05_libero": "pi05_libero",
    "pi05_droid": "pi05_droid_finetune",
    **dict.fromkeys(("lerobot_pi05", "lerobot_smolvla", "lerobot"), "lerobot"),
}
_exact: WeakKeyDictionary[SampledView, dict[str, StatsResult]] = WeakKeyDictionary()


def exact(context: Context) -> StatsResult:
    """Compute exact statistics once, as the target's config sees the data."""
    data = context.data
    if not data.full and sum(row.length for row in data.episodes) > MANY_FRAMES:
        raise Skip(f"more than {MANY_FRAMES:,} frames: add --full, or run mstool stats DATASET --check FILE")
    kept = _exact.setdefault(data, {})
    config = _CONFIGS.get(context.target.name)
    key = config or ""
    if key not in kept:
        try:
            kept[key] = compute([data.root], config=config, features=True)
        except MstoolError as error:
            raise Unavailable(f"no exact statistics: {error.message}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"no exact statistics: {error!r}") from error
    return kept[key]


def openpi_stats(context: Context) -> dict[str, dict[str, Any]]:
    """Return the `state` and `actions` entries of openpi's file, or skip."""
    if context.target.stats.value != NORM_STATS_FILE and context.norm_stats is None:
        raise Skip(f"{context.target.name} does not read norm_stats.json")
    if context.norm_stats is None:
        raise Skip("there is no norm_stats.json (MS601)")
    document = read_json(context.norm_stats)
    entries = document.get("norm_stats") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise Unavailable(f"{context.norm_stats.name} has no norm_stats")
    return {key: value for key, value in entries.items() if isinstance(value, dict)}


@register
class StatsThere(Check):
    """MS601."""

    code, family = "MS601", "statistics"
    title = "openpi's norm_stats.json is there and complete"
    meaning = "openpi stops without it, or trains on numbers that are not normalised"
    fix = "mstool stats DATASET"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for state and actions with mean, std, q01 and q99."""
        if context.norm_stats is None:
            if context.target.stats.value != NORM_STATS_FILE:
                raise Skip(f"{context.target.name} does not read norm_stats.json")
            yield Issue("there are no statistics; give --norm-stats, or compute them", feature=NORM_STATS_FILE)
            return
        try:
            entries = openpi_stats(context)
        except Unavailable as why:
            yield Issue(str(why), feature=context.norm_stats.name, fix=why.fix)
            return
        for key in ("state", "actions"):
            for name in ("mean", "std", "q01", "q99"):
                values = entries.get(key, {}).get(name)
                if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
                    yield Issue(f"{key} has no {name}", feature=context.norm_stats.name, observed=repr(values)[:40])


@register
class StatsDimensions(Check):
    """MS602."""

    code, family = "MS602", "statistics"
    title = "norm_stats.json has the dimensions of the data"
    meaning = "openpi cuts or fails: the statistics are of another dataset"
    fix = "mstool stats DATASET"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare lengths; longer ones are padding, as in openpi's released assets."""
        data, entries = context.data, openpi_stats(context)
        for key, columns in (("state", state_columns(data)), ("actions", action_columns(data))):
            width = sum(int(np.prod(data.features[column]["shape"])) for column in columns)
            for name, values in entries.get(key, {}).items():
                if isinstance(values, list) and len(values) < width:
                    yield Issue(
                        f"{key}.{name} is too short",
                        feature=NORM_STATS_FILE,
                        observed=str(len(values)),
                        expected=str(width),
                    )


@register
class StatsExact(Check):
    """MS603."""

    code, family = "MS603", "statistics"
    title = "norm_stats.json is that of this data"
    meaning = "stale or sampled statistics shift every input and every executed action"
    fix = "mstool stats DATASET"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare every dimension with exact values over the training population."""
        openpi_stats(context)
        if context.norm_stats is None:
            raise Skip("there is no norm_stats.json")
        try:
            deviations = compare(context.norm_stats, exact(context))
        except MstoolError as error:
            raise Unavailable(error.message) from error
        yield Note(f"largest deviation {max(abs(d.off) for d in deviations):.2g} where the normalised range is 2")
        for deviation in deviations:
            if not deviation.fine:
                observed, expected = apart(deviation.file, deviation.exact)
                yield Issue(
                    f"{deviation.key} {deviation.name}: {deviation.worst} is off by {deviation.off:+.2g} of a "
                    "normalised range of 2",
                    feature=NORM_STATS_FILE,
                    dimension=deviation.dim,
                    observed=observed,
                    expected=expected,
                )


@register
class Degenerate(Check):
    """MS604."""

    code, family = "MS604", "statistics"
    title = "no dimension's q99 - q01 is (almost) nothing although it moves"
    meaning = "rare values are blown up hundreds of times: the loss is theirs alone"
    fix = "look at the outliers: mstool stats DATASET --plot stats.png; drop or clip them"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare the range between quantiles with that between least and greatest value."""
        result = exact(context)
        at_rest = always_resting(context)
        for vector in (result.state, result.actions):
            stats = vector.stats
            for dim, name in enumerate(vector.names):
                gap, reach = float(stats.q99[dim] - stats.q01[dim]), float(stats.max[dim] - stats.min[dim])
                if reach > 0 and gap < 1e-3 * reach:
                    resting = vector is result.state and dim in at_rest
                    yield Issue(
                        f"{vector.key} {name}: values reach {reach / (gap + 1e-6):.0f} times the range between "
                        "q01 and q99",
                        "warning" if resting else "error",
                        fix=MORE_DEMOS if resting else "",
                        feature=vector.key,
                        dimension=dim,
                        observed=f"q99 - q01 = {gap:.3g}",
                        expected=f"not far below {reach:.3g}",
                    )
