"""Where a result goes on disk, and the one call other commands use."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from mstool.atomic import replace_json
from mstool.dataset.files import NORM_STATS_FILE
from mstool.errors import DataError, UsageError
from mstool.norm_stats.compute import StatsResult, compute, feature_stats
from mstool.norm_stats.images import missing_views
from mstool.norm_stats.problems import ERROR
from mstool.norm_stats.summary import VectorStats
from mstool.norm_stats.writers import lerobot_document, openpi_document, stats_path
from mstool.paths import writable_file, writable_folder


class DamagedStatsError(DataError):
    """The data has errors, so `result` is not written."""

    def __init__(self, result: StatsResult) -> None:
        worst = next(problem for problem in result.problems if problem.severity == ERROR)
        place = f"{worst.key}[{worst.dim}] {worst.name}"
        super().__init__(f"{place}: {worst.message}; nothing was written", fix=worst.fix)
        self.result = result


class WrongStatsError(UsageError):
    """What was asked for contradicts the data, so `result` is written with `force` alone."""

    def __init__(self, result: StatsResult) -> None:
        first = result.wrong[0]
        super().__init__(f"{first.message}: nothing was written (--force writes it)", fix=first.fix)
        self.result = result


def write_exact_stats(root: Path) -> StatsResult:
    """Replace a dataset's statistics by exact ones: openpi's file, and LeRobot's of a v3.0 dataset.

    The training config, and with it the horizon, is the one the dataset's layout is made for.

    Parameters
    ----------
    root
        Folder of a finished LeRobot v2.1 or v3.0 dataset.

    Returns
    -------
    The statistics, their problems, and which files were written.

    Raises
    ------
    DataError
        The dataset is damaged or holds NaN or infinity; nothing is written then.

    """
    return write(compute([root]), output=None, asset_id=None)


def write_feature_stats(root: Path) -> None:
    """Put exact statistics of every numeric feature into LeRobot's file of a v3.0 dataset, made by whomever.

    Raises
    ------
    DataError
        The dataset is damaged.

    """
    dataset, features = feature_stats(root)
    replace_json({stats_path(root): lerobot_document(dataset, _finite(features))})


def norm_stats_path(roots: tuple[Path, ...], output: Path | None, asset_id: str | None) -> Path:
    """Tell where `norm_stats.json` goes: `<output>/<asset-id>/`, or the dataset's own folder where neither is given.

    openpi looks in `assets/<config>/<asset-id>/`: give `assets/<config>` as `output` (`TrainConfig.assets_dirs`).

    Raises
    ------
    UsageError
        Several datasets without `output`, an asset id that leaves the folder, or nothing can be
        written there.

    """
    if output is None and len(roots) > 1:
        own: dict[str, object] = {"--output": "assets"}
        if asset_id is None:
            own["--asset-id"] = "-".join(root.resolve().name for root in roots)
        raise UsageError(
            "pooled statistics belong to none of the datasets' folders",
            fix="add --output assets/CONFIG --asset-id ID",
            change=own,
        )
    if asset_id is not None:
        parts = PurePosixPath(asset_id).parts
        if not parts or asset_id.startswith("/") or ".." in parts:
            raise UsageError(
                f"--asset-id {asset_id!r} is not a name or user/name",
                fix="leave --asset-id out",
                change={"--asset-id": None},
            )
    if output is None:
        path = roots[0] / (asset_id or "") / NORM_STATS_FILE
        writable_file(path, "", fix="--output DIR writes elsewhere")
    else:
        path = output / (asset_id or roots[0].resolve().name) / NORM_STATS_FILE
        writable_folder(output, "--output")
    return path


def write(result: StatsResult, *, output: Path | None, asset_id: str | None, force: bool = False) -> StatsResult:
    """Write openpi's file, and LeRobot's of a v3.0 dataset whose features were computed; all or none.

    With `output` the datasets themselves stay as they are.

    Raises
    ------
    DamagedStatsError
        The statistics have an error.
    WrongStatsError
        They are known to be wrong, and `force` is False.
    DataError
        A file cannot be written.

    """
    if not result.ok:
        raise DamagedStatsError(result)
    if result.wrong and not force:
        raise WrongStatsError(result)
    path = norm_stats_path(tuple(dataset.root for dataset in result.datasets), output, asset_id)
    documents: dict[Path, object] = {
        path: openpi_document(result.state.stats, result.actions.stats, _noted(result, inside=output is None)),
    }
    for dataset, features in zip(result.datasets, result.features, strict=True) if output is None else ():
        # v2.1 keeps statistics per episode (episodes_stats.jsonl); they are right as they are.
        if dataset.version == "v3.0" and features:
            document = lerobot_document(dataset, _finite(features))
            documents[stats_path(dataset.root)] = document | missing_views(dataset.root, document)
    return replace(result, written=replace_json(documents))


def _noted(result: StatsResult, *, inside: bool) -> dict[str, object]:
    # A file that travels with its dataset needs no name, and `convert` has another name for the folder until the end.
    return {key: value for key, value in result.provenance.items() if not (inside and key == "datasets")}


def _finite(features: Mapping[str, VectorStats]) -> dict[str, VectorStats]:
    return {name: stats for name, stats in features.items() if not stats.nonfinite.any()}
