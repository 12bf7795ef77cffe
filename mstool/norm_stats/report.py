"""A result as rows for people and as a document for machines."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from mstool.norm_stats.compute import StatsResult
from mstool.norm_stats.problems import Problem, StatsVector


def rows(result: StatsResult) -> list[dict[str, object]]:
    """Give one row per dimension of state and actions.

    `outside` is the share of values that normalise to below -1 or above 1 (2 % where values are spread out), `extreme`
    the greatest magnitude among them.
    """
    return [row for vector in (result.state, result.actions) for row in _vector_rows(vector, result.problems)]


def _vector_rows(vector: StatsVector, problems: Sequence[Problem]) -> list[dict[str, object]]:
    stats, shape = vector.stats, vector.shape
    return [
        {
            "key": vector.key,
            "dim": dim,
            "name": name,
            "unit": vector.units[dim],
            "min": _short(stats.min[dim]),
            "q01": _short(stats.q01[dim]),
            "q50": _short(stats.quantiles["q50"][dim]),
            "q99": _short(stats.q99[dim]),
            "max": _short(stats.max[dim]),
            "mean": _short(stats.mean[dim]),
            "std": _short(stats.std[dim]),
            "outside": f"{shape.outside[dim]:.2%}",
            "extreme": f"{shape.extreme[dim]:.3g}",
            "problems": " ".join(p.code for p in problems if p.key == vector.key and p.dim == dim),
        }
        for dim, name in enumerate(vector.names)
    ]


def _short(value: float) -> str:
    return f"{value:.4g}"


def headline(result: StatsResult) -> str:
    """Say in one line what the numbers are about."""
    about = result.provenance
    kind = "q01/q99" if result.config.quantiles else "mean/std"
    return (
        f"{', '.join(dataset.name for dataset in result.datasets)}: "
        f"{about['episodes']} episodes, {about['frames']} frames; "
        f"{about['config']} (normalises by {kind}), horizon {about['horizon']}, delta {about['delta']}: "
        f"{result.actions.stats.count} action vectors"
    )


def problem_lines(problems: Sequence[Problem]) -> list[str]:
    """Give each problem with its place, and on the next line what to do."""
    lines = []
    for problem in problems:
        place = f"{problem.key}[{problem.dim}] {problem.name}: " if problem.dim is not None else ""
        lines += [f"{problem.severity} {problem.code} {place}{problem.message}", f"    fix: {problem.fix}"]
    return lines


def document(result: StatsResult) -> dict[str, object]:
    """Build the `--json` document; a number that is not finite is null."""
    return {
        **result.provenance,
        "ok": result.ok,
        "normalises_by": "quantiles" if result.config.quantiles else "mean_std",
        "state": _vector_document(result.state),
        "actions": _vector_document(result.actions),
        "problems": [asdict(problem) for problem in result.problems],
        "written": [str(path) for path in result.written],
    }


def _vector_document(vector: StatsVector) -> dict[str, object]:
    stats = vector.stats
    numbers = {"min": stats.min, "max": stats.max, "mean": stats.mean, "std": stats.std, **stats.quantiles}
    numbers |= {"outside": vector.shape.outside, "extreme": vector.shape.extreme}
    return {
        "names": list(vector.names),
        "units": list(vector.units),
        "count": stats.count,
        **{name: [float(v) if np.isfinite(v) else None for v in values] for name, values in numbers.items()},
    }
