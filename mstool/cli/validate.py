"""`mstool validate`: whether a model would understand a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mstool.cli.output import out, print_json, table
from mstool.errors import UsageError
from mstool.markup import one_line

if TYPE_CHECKING:
    from mstool.validators.report import CheckResult, ValidationReport

_SHOWN = 5


def validate(
    dataset: Annotated[Path | None, typer.Argument(help="Folder of a LeRobot v2.1 or v3.0 dataset.")] = None,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            help="Who is to read it: pi05_libero, pi05_droid, lerobot_pi05, lerobot_smolvla, lerobot or maniskill.",
            show_default="what fits its format and layout",
        ),
    ] = None,
    norm_stats: Annotated[
        Path | None, typer.Option(metavar="FILE", help="openpi's norm_stats.json; by default the dataset's own.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings make it invalid too.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every check, skipped ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with the images and plots.")] = None,
    select: Annotated[str | None, typer.Option(metavar="CODES", help="Run these only: MS3,MS501.")] = None,
    ignore: Annotated[str | None, typer.Option(metavar="CODES", help="Leave these out.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Execute the stored actions in ManiSkill.")] = False,
    open_it: Annotated[
        bool, typer.Option("--open", help="Let LeRobot's own reader read some frames, as training does.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Look at every episode and file, not at a sample.")] = False,
    keep: Annotated[
        bool, typer.Option("--record/--no-record", help="Keep the verdict in the dataset, where push looks for it.")
    ] = True,
    list_checks: Annotated[bool, typer.Option("--list", help="Describe every check and stop.")] = False,
) -> None:
    r"""Check a dataset's files, numbers, images and their meaning against what a model expects.

    Works on any LeRobot dataset. Exit code 0 when it is valid, 1 when it is not, 2 for a wrong command line.

    Examples
    --------
    mstool validate data/PickCube-v1

    mstool validate data/PickCube-v1-openpi --against pi05_libero --strict --html report.html

    mstool validate data/old --against maniskill --select MS5 --json

    mstool validate data/PickCube-v1 --against maniskill --select MS901 --replay

    mstool validate --list

    """
    if list_checks:
        from mstool.validators.runner import all_checks

        _list(as_json, list(all_checks()))
        return
    if dataset is None:
        raise UsageError("no dataset given", fix="mstool validate DATASET", change={"DATASET": "DATASET"})
    from mstool.api.validate import validate as run

    report = run(
        dataset,
        against=against,
        norm_stats=norm_stats,
        strict=strict,
        html=html,
        select=select,
        ignore=ignore,
        replay=replay,
        open_it=open_it,
        full=full,
        keep=keep,
    )
    if as_json:
        print_json(report.to_json())
    else:
        _print(report, verbose=verbose)
    if not report.valid:
        raise typer.Exit(1)


def _print(report: "ValidationReport", *, verbose: bool) -> None:
    if report.chosen:
        out(f"against {report.target}: {report.chosen} (--against names another)")
    if verbose:
        _print_table(report)
    for result in report.with_status("failed", "error", "warned"):
        _print_problem(result)
    _print_notes(report, verbose=verbose)
    if verbose:
        _print_skipped(report)
    facts = ", ".join(f"{name} {value}" for name, value in report.facts.items())
    out(f"\n{one_line(f'{report.root}: {facts}')}")
    out(f"looked at {report.coverage}; {report.seconds:.1f} s")
    more = "" if verbose else " (--verbose shows all)"
    out(report.headline() + more)


def _print_table(report: "ValidationReport") -> None:
    rows = [
        {"code": r.code, "family": r.family, "check": r.title, "result": r.status.upper() if r.issues else r.status}
        for r in report.results
    ]
    out(table(rows, ["code", "family", "result", "check"]))


def _print_notes(report: "ValidationReport", *, verbose: bool) -> None:
    noted = [(r.code, note) for r in report.results for note in r.notes if r.status != "error"]
    start = "  " if verbose else "note "
    lines = [f"{start}{code}: {one_line(note.text)}" for code, note in noted if verbose or note.told]
    if lines:
        out("\n".join(["\nmeasured" if verbose else "", *lines]))


def _print_skipped(report: "ValidationReport") -> None:
    skipped: dict[str, list[str]] = {}
    for result in report.with_status("skipped"):
        skipped.setdefault(result.reason, []).append(result.code)
    if skipped:
        out("\nskipped")
        for reason, codes in skipped.items():
            out(f"  {', '.join(codes)}: {reason}")


def _print_problem(result: "CheckResult") -> None:
    out(f"\n{result.status.upper()} {result.code} {result.title}")
    if result.status == "error":
        out(result.reason)
        return
    for issue in result.issues[:_SHOWN]:
        out(f"  {one_line(issue.said)}")
    if result.found > _SHOWN:
        out(f"  and {result.found - _SHOWN} more")
    out(f"  why it matters: {result.meaning}")
    out(f"  fix: {result.fix}")


def _list(as_json: bool, checks: list) -> None:  # type: ignore[type-arg]
    rows = [{name: getattr(check, name) for name in ("code", "family", "title", "meaning", "fix")} for check in checks]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        out(f"{row['code']}  {row['family']}: {row['title']}")
        out(f"       matters: {row['meaning']}\n       fix: {row['fix']}")
