"""checks.md: every check of `mstool validate`, from the checks themselves."""

from itertools import groupby

from generated_pages import faults
from generated_pages.markdown import text
from mstool.validators.check import CHECKS, Check
from mstool.validators.checks import load_checks

INTRODUCTION = """# Checks

`mstool validate DATASET` asks these {number} questions. A check fails (exit code 1), warns, passes, or is skipped
with the reason; `--verbose` shows all of them. A dataset is held only against what its record, its names or the
target declare: what numbers alone suggest is told, and fails nothing. `mstool validate DATASET --html report.html`
shows the evidence.

How well they find faults: [{mutations}](../benchmarks/results/validate_mutations.md). This page is made from the
code; the pictures show real frames of PickCube to which the fault was done by the function that the tests use.
"""


def every() -> list[type[Check]]:
    """Return all checks in the order of their codes."""
    load_checks()
    return [CHECKS[each] for each in sorted(CHECKS)]


def page() -> str:
    """Return the page."""
    parts = [
        INTRODUCTION.format(number=len(every()), mutations="mutations of good datasets, and what was said of each")
    ]
    for family, checks in groupby(every(), key=lambda check: check.family):
        parts += [f"## {family[:1].upper()}{family[1:]}\n", *(_check(check) for check in checks)]
    return "\n".join(parts)


def _check(check: type[Check]) -> str:
    lines = [f"### {check.code}: {text(check.title)} {{ #{check.code.lower()} }}\n"]
    if check.code in faults.FAULTS:
        lines.append(faults.shown(check.code))
    lines.append(f"**What it does to a training:** {text(check.meaning)}\n")
    lines.append(f"**Fix:** {text(check.fix)}\n")
    return "\n".join(lines)
