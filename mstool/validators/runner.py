"""Run checks over a dataset and collect a report."""

import time
import traceback
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mstool.ctrl_c import ctrl_c_heard
from mstool.dataset.files import NORM_STATS_FILE, Unavailable, filled_fix
from mstool.dataset.locate import locate
from mstool.errors import UsageError
from mstool.paths import quoted
from mstool.progress import Progress
from mstool.validators.check import CHECKS, Check, Context, ReplayDataset, Skip
from mstool.validators.checks import load_checks
from mstool.validators.report import CheckResult, Issue, Note, Status, ValidationReport
from mstool.validators.sampling import PICTURES, SampledView
from mstool.validators.targets import Fitting, fitting_target, get_target

# Issues kept of one check, and counted at all: one mistake may repeat in every frame.
KEPT = 20
COUNTED = 100_000


def all_checks() -> list[type[Check]]:
    """Return every check, by code."""
    load_checks()
    return [CHECKS[code] for code in sorted(CHECKS)]


def choose_checks(select: Sequence[str], ignore: Sequence[str]) -> list[type[Check]]:
    """Choose checks by code or the beginning of one (`MS3` for all of video).

    Raises
    ------
    UsageError
        A code fits no check, or no check is left.

    """
    checks = all_checks()
    for code in [*select, *ignore]:
        if not any(check.code.startswith(code) for check in checks):
            raise UsageError(f"no check has the code {code!r}", fix="mstool validate --list")
    chosen = [check for check in checks if not select or check.code.startswith(tuple(select))]
    left = [check for check in chosen if not (ignore and check.code.startswith(tuple(ignore)))]
    if not left:
        raise UsageError("--ignore leaves none of the checks", fix="leave --ignore out", change={"--ignore": None})
    return left


def validate(
    root: Path,
    against: str | None = None,
    *,
    norm_stats: Path | None = None,
    strict: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    full: bool = False,
    replay: ReplayDataset | None = None,
    no_replay: str = "not asked for (--replay)",
    open_it: bool = False,
) -> ValidationReport:
    """Check a dataset against what a consumer expects.

    Parameters
    ----------
    root
        The dataset's folder.
    against
        Name of a target, see `mstool.validators.targets`; by default the one that fits the dataset.
    norm_stats
        openpi's statistics file; by default the dataset's own `norm_stats.json` if there is one.
    strict
        A warning makes the dataset invalid too.
    select, ignore
        Codes, or beginnings of codes, of the checks to run or leave out.
    full
        Look at every episode instead of a sample.
    replay
        Executes stored actions in a simulator.
    no_replay
        Why there is no `replay`.
    open_it
        Let LeRobot's own reader read some frames.

    Raises
    ------
    UsageError
        Unknown target or code, or `root` or `norm_stats` does not exist.

    """
    started = time.monotonic()
    checks = choose_checks(select, ignore)
    locate(root)
    if norm_stats is not None and not norm_stats.is_file():
        raise UsageError(f"--norm-stats {norm_stats}: no such file", fix=f"mstool stats {quoted(root)}")
    data = SampledView(root, full=full)
    fitting = Fitting(against, "") if against is not None else _fitting(data)
    target = get_target(fitting.target)
    own = root / NORM_STATS_FILE
    if norm_stats is None and target.stats.value == own.name and own.is_file():
        norm_stats = own
    context = Context(data, target, norm_stats, replay, open_it, no_replay)
    results = []
    with Progress("validate", len(checks), "check") as progress:
        for check in checks:
            progress.note = f"{check.code} {check.title}"
            results.append(run_check(check(), context))
            progress.update()
    return ValidationReport(
        root=root.resolve().name,
        target=target.name,
        facts=_facts(data),
        results=tuple(results),
        strict=strict,
        chosen=fitting.why,
        seconds=time.monotonic() - started,
        coverage=_coverage(data),
    )


def run_check(check: Check, context: Context) -> CheckResult:
    """Run one check; whatever it raises becomes a result, but Ctrl-C."""
    started = time.monotonic()
    issues: list[Issue] = []
    notes: list[Note] = []
    found, reason = 0, ""
    status: Status = "passed"
    try:
        with ctrl_c_heard():
            for item in islice(_run(check, context), COUNTED):
                if isinstance(item, Note):
                    notes.append(item)
                    continue
                found += 1
                if len(issues) < KEPT:
                    issues.append(item)
    except (Skip, Unavailable) as why:
        status, reason = "skipped", str(why)
    except Exception:  # noqa: BLE001  # a bug of the check must not hide what the others find
        status, reason = "error", traceback.format_exc()
    if issues and status != "error":
        status = "failed" if any(issue.severity == "error" for issue in issues) else "warned"
    return CheckResult(
        code=check.code,
        family=check.family,
        title=check.title,
        meaning=check.meaning,
        fix=_filled(next((issue.fix for issue in issues if issue.fix), check.fix), context),
        status=status,
        issues=tuple(issues),
        found=found,
        notes=tuple(notes),
        reason=_filled(reason, context),
        seconds=time.monotonic() - started,
    )


def _fitting(data: SampledView) -> Fitting:
    try:
        info = data.info
    except Unavailable:
        info = {}
    return fitting_target(info, data.record)


def _filled(text: str, context: Context) -> str:
    """Put the dataset's own path into a command: `mstool stats DATASET`."""
    return filled_fix(text, context.data.root)


def _run(check: Check, context: Context) -> Iterator[Issue | Note]:
    yield from check.run(context)


def _facts(data: SampledView) -> dict[str, Any]:
    try:
        info = data.info
    except Unavailable as why:
        return {"unreadable": str(why)}
    names = ("codebase_version", "robot_type", "total_episodes", "total_frames", "total_tasks", "fps")
    facts = {name: info[name] for name in names if isinstance(info.get(name), str | int | float)}
    return facts | {"layout": data.record.layout or "not declared"}


def _coverage(data: SampledView) -> str:
    try:
        pictured = f"{len(data.pictured)} of {len(data.episodes)} episodes with about {PICTURES} images each"
        return f"numbers of {len(data.sample)} episodes, {pictured}" + (", all files" if data.full else "")
    except Unavailable as why:
        return str(why)
