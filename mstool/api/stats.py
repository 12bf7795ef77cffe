"""Exact normalisation statistics, for openpi and LeRobot alike."""

from collections.abc import Sequence
from dataclasses import replace

from mstool.api.arguments import PathLike, path_or_none, paths
from mstool.dataset.locate import check_distinct, locate
from mstool.norm_stats.check import check_file, read_file
from mstool.norm_stats.compute import StatsResult, compute
from mstool.norm_stats.output import norm_stats_path, write
from mstool.norm_stats.plot import check_plot
from mstool.norm_stats.plot import plot as draw
from mstool.progress import notify


def compute_stats(
    datasets: PathLike | Sequence[PathLike],
    *,
    config: str | None = None,
    horizon: int | None = None,
    delta: str | None = None,
    asset_id: str | None = None,
    output: PathLike | None = None,
    check: PathLike | None = None,
    plot: PathLike | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> StatsResult:
    """Compute exact q01/q99, mean and std over what training sees, and write them.

    openpi's norm_stats.json and, for v3.0 datasets, exact quantiles in LeRobot's own file.

    Parameters
    ----------
    datasets
        The folder of a LeRobot v2.1 or v3.0 dataset; several are pooled.
    config
        openpi's training config; by default the dataset's layout decides.
    horizon
        Actions per window, by default the config's.
    delta
        Which actions are differences from the state: "6,-1" for all of 7 but the last, or "none".
    asset_id
        openpi's asset id, by default the folder's name.
    output
        Write `output`/ASSET_ID/norm_stats.json and leave the datasets as they are.
    check
        A norm_stats.json or stats.json to compare, instead of writing; what was found is the result's `check`.
    plot
        A PNG of histograms to write.
    force
        Write statistics that are known to be wrong.
    dry_run
        Write no statistics.

    Raises
    ------
    UsageError
        A folder does not exist or is given twice, or an option is none of its possible values.
    DataError
        A dataset is damaged, lacks a column, or differs from the others.
    DamagedStatsError, WrongStatsError
        The statistics cannot be used, or are known to be wrong for this data; `error.result` holds them.

    """
    folders = paths(datasets)
    compared, drawn, target = path_or_none(check), path_or_none(plot), path_or_none(output)
    writes = compared is None and not dry_run
    check_distinct(folders, "stats")
    for folder in folders:
        locate(folder)
    if writes and folders:
        norm_stats_path(tuple(folders), target, asset_id)
    if compared is not None:
        read_file(compared)
    if drawn is not None:
        check_plot(drawn)
    result = compute(
        folders,
        config=config,
        horizon=horizon,
        delta=delta,
        features=(writes and target is None) or compared is not None,
    )
    if drawn is not None:
        draw(result, drawn)
        notify()(f"wrote {drawn}")
    if compared is not None:
        return replace(result, check=check_file(compared, result))
    return write(result, output=target, asset_id=asset_id, force=force) if writes else result
