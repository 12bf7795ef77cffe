"""`mstool stats`: exact normalisation statistics, for openpi and LeRobot alike."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mstool.cli.output import out, print_json, say
from mstool.cli.output import table as as_table
from mstool.dataset.files import NORM_STATS_FILE, STATS_FILE

if TYPE_CHECKING:
    from mstool.norm_stats.compute import StatsResult


def stats(
    datasets: Annotated[
        list[Path], typer.Argument(help="Folders of LeRobot v2.1 or v3.0 datasets; several are pooled.")
    ],
    config: Annotated[
        str | None,
        typer.Option(
            help="openpi training config (pi05_libero, pi05_droid, ...); by default the dataset's layout decides."
        ),
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="Actions per window; by default the config's.")] = None,
    delta: Annotated[
        str | None,
        typer.Option(
            metavar="MASK", help="Actions as differences from the state: `6,-1` for all of 7 but the last, or `none`."
        ),
    ] = None,
    asset_id: Annotated[str | None, typer.Option(help="openpi's asset id; by default the folder's name.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help=f"Write DIR/ASSET_ID/{NORM_STATS_FILE} and leave the datasets as they are; by default it goes into "
            f"the dataset's folder, and LeRobot's into its {STATS_FILE}.",
        ),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare a norm_stats.json or stats.json instead of writing.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw histograms with q01 and q99 marked.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write statistics that are known to be wrong.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; write no statistics.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    r"""Compute exact q01/q99, mean and std over what training sees, report what is wrong with them, and write them.

    Reads parquet columns only: seconds where openpi's script takes hours. Writes norm_stats.json for openpi and, for
    v3.0 datasets, exact quantiles into LeRobot's {STATS_FILE}; image statistics stay, and
    where LeRobot would miss them they are filled in from a sample of the images.

    Examples
    --------
    mstool stats data/pickcube

    mstool stats data/pickcube --config pi05_libero --output assets/pi05_libero --asset-id me/pickcube

    mstool stats data/a data/b --config pi0_libero --delta none --output assets/pi0_libero --asset-id both

    mstool stats data/pickcube --check old/norm_stats.json

    mstool stats data/pickcube --dry-run --plot stats.png --json

    """
    from mstool.api.stats import compute_stats
    from mstool.norm_stats.output import DamagedStatsError, WrongStatsError

    try:
        result = compute_stats(
            datasets,
            config=config,
            horizon=horizon,
            delta=delta,
            asset_id=asset_id,
            output=output,
            check=check,
            plot=plot,
            force=force,
            dry_run=dry_run,
        )
    except (DamagedStatsError, WrongStatsError) as refused:
        refused.document = _document(refused.result)
        _show(refused.result, table=not as_json)
        raise
    if as_json:
        print_json(_document(result))
    _show(result, table=not as_json)
    options = {"--config": config, "--horizon": horizon, "--delta": delta, "--asset-id": asset_id, "--output": output}
    words = [*map(str, datasets), *(str(w) for pair in options.items() if pair[1] is not None for w in pair)]
    if _say_failures(result, shlex.join(["mstool", "stats", *words])):
        raise typer.Exit(1)


# A docstring cannot be an f-string.
stats.__doc__ = (stats.__doc__ or "").replace("{STATS_FILE}", STATS_FILE)


def _document(result: "StatsResult") -> dict[str, object]:
    from mstool.norm_stats.report import document

    check = result.check
    extra = {"check": [asdict(d) | {"fine": d.fine} for d in check.deviations]} if check is not None else {}
    return document(result) | extra


def _show(result: "StatsResult", *, table: bool) -> None:
    from mstool.norm_stats.deviation import deviation_rows
    from mstool.norm_stats.report import headline, problem_lines, rows

    check = result.check
    if table:
        say(headline(result))
        lines = rows(result) if check is None else deviation_rows(check.deviations)
        out(as_table(lines, list(lines[0])))
    for line in [*problem_lines(result.problems), *(f"wrote {path}" for path in result.written)]:
        say(line)
    for line in check.differing if check is not None else ():
        say(line)


def _say_failures(result: "StatsResult", fix: str) -> bool:
    if not result.ok:
        say("the data has errors")
    if result.check is not None and result.check.off:
        off, worst = result.check.off, result.check.off[0]
        say(f"{len(off)} of {len(result.check.deviations)} dimensions are off")
        say(f"the worst, {worst.key}[{worst.dim}] {worst.name}, by {worst.off:+.3g} where the normalised range is 2")
        say(f"fix: {fix}")
        return True
    return not result.ok
