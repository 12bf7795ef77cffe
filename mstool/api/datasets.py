"""Datasets that are there: joined, in another format, described, looked at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mstool.api.arguments import PathLike, Words, pairs, path_or_none, words
from mstool.api.claims import checked, from_file, from_words
from mstool.dataset.describe import DescribeReport
from mstool.dataset.describe import describe as restore
from mstool.errors import UsageError
from mstool.evaluation.kept import best_known
from mstool.evaluation.policies.checkpoint import model_or_dataset
from mstool.maniskill2lerobot.options import parse_version
from mstool.maniskill2lerobot.pictures.profiles import parse_profile
from mstool.maniskill2lerobot.rewrite.merge_export import export as export_dataset
from mstool.maniskill2lerobot.rewrite.merge_export import merge as merge_datasets
from mstool.maniskill2lerobot.rewrite.report import RebuildReport
from mstool.paths import quoted
from mstool.progress import notify
from mstool.training.publish import PolicyReport, export_policy
from mstool.validators.claims import ClaimsReport, describe_by_claims
from mstool.validators.show.run import Shown
from mstool.validators.show.run import show as show_dataset


def merge(
    datasets: Sequence[PathLike],
    output: PathLike,
    *,
    drop: Words | None = None,
    rename: Mapping[str, str] | None = None,
    video_profile: str | None = None,
    overwrite: bool = False,
) -> RebuildReport:
    """Join datasets, without simulation, and without encoding unless told to; statistics stay exact.

    Parameters
    ----------
    datasets
        Their folders, in order. Ours must be of one layout and format; with those made elsewhere, all need the same
        columns, fps and robot.
    output
        Folder of the result.
    drop, rename
        Columns to leave out, and {old name: new name}.
    video_profile
        Encode videos anew, "exact" or "portable" (browsers); by default as they are.
    overwrite
        Replace the dataset that is there.

    Raises
    ------
    UsageError
        Fewer than two datasets, one of them twice, or the output is taken.
    DataError
        One is damaged, or they do not go together.

    """
    roots = [Path(dataset) for dataset in datasets]
    return merge_datasets(
        roots,
        Path(output),
        drop=words(drop),
        rename=rename or {},
        profile=parse_profile(video_profile),
        overwrite=overwrite,
    )


def export(
    dataset: PathLike,
    output: PathLike,
    *,
    version: str | None = None,
    storage: str | None = None,
    drop: Words | None = None,
    rename: Mapping[str, str] | None = None,
    video_profile: str | None = None,
    overwrite: bool = False,
) -> RebuildReport | PolicyReport:
    """Write a dataset, ours or not, in another LeRobot version, without simulation and without loss of statistics.

    A trained policy is written as others get it: bfloat16 weights, what its numbers mean, and a card.

    Parameters
    ----------
    dataset
        Its folder: v2.0, v2.1 or v3.0; or of a run of `finetune`, for its last checkpoint.
    output
        Folder of the result.
    version
        "v3.0" or "v2.1"; by default as it is.
    storage
        "video" or "image"; by default as the dataset keeps its pictures.
    drop, rename
        Columns to leave out, and {old name: new name}.
    video_profile
        Encode videos anew, "exact" or "portable" (browsers); by default as they are.
    overwrite
        Replace what is there.

    Raises
    ------
    UsageError
        There is nothing to change, or the output is taken.
    DataError
        The dataset is damaged.

    """
    model = model_or_dataset(Path(dataset))
    if model is not None:
        given = (("--format", version), ("--storage", storage), ("--drop", drop), ("--rename", rename))
        wrong = [name for name, value in (*given, ("--video-profile", video_profile)) if value]
        if wrong:
            raise UsageError(
                f"{dataset} is a trained policy: {', '.join(wrong)} is a dataset's",
                fix=f"mstool export {quoted(dataset)} --output {quoted(output)}",
                change=dict.fromkeys(wrong),
            )
        return export_policy(model, Path(output), results=best_known(model), overwrite=overwrite)
    chosen, kept = parse_version(version, storage)
    return export_dataset(
        Path(dataset),
        Path(output),
        version=chosen,
        storage=kept,
        profile=parse_profile(video_profile),
        drop=words(drop),
        rename=rename or {},
        overwrite=overwrite,
    )


def describe(
    dataset: PathLike,
    *,
    originals: Sequence[PathLike] | None = None,
    layout: str | None = None,
    control_mode: str | None = None,
    env: str | Sequence[str] | Mapping[str, str] | None = None,
    robot: str | None = None,
    view: Sequence[str] | Mapping[str, str] | None = None,
    goal: str = "visible",
    claims: PathLike | None = None,
    overwrite: bool = False,
) -> DescribeReport | ClaimsReport:
    """Say what a dataset's numbers mean: `evaluate`, `finetune`, `compute_stats` and `validate` then know it.

    Parameters
    ----------
    dataset
        A dataset that another tool wrote.
    originals
        The datasets of ours that it was made of: what they meant is restored. Or else:
    layout
        What its state and actions are; this and each of the following claims is tested on its numbers and images.
    control_mode
        What its actions are, where the layout has several.
    env
        The ManiSkill environment that it was recorded in; of several {sentence: environment}.
    robot
        The simulator's name of the robot, by default panda; of layout native the environment's.
    view
        {camera column: view}, as {"observation.images.front": "base"}.
    goal
        A hidden goal is "visible", "hidden" or in the "state".
    claims
        A YAML file that says all this instead.
    overwrite
        Replace the record that is there.

    Raises
    ------
    UsageError
        Not one of `originals`, `layout` and `claims`, or a record is there.
    DataError
        An episode is in none of the originals, or the data contradict a claim.

    """
    root = Path(dataset)
    if sum(map(bool, (originals, layout, claims))) != 1:
        others = ("--layout", "--claims") if originals else ("--claims",)
        raise UsageError(
            "what is the dataset made of, or what is it? Say one of --from ORIGINAL, --layout LAYOUT and --claims FILE",
            fix=f"mstool describe {quoted(root)} --from ORIGINAL",
            change=dict.fromkeys(others) if originals or layout else {"--from": "ORIGINAL"},
        )
    if not layout and (control_mode or env or view or robot):
        raise UsageError(
            "--control-mode, --env, --robot and --view go with --layout",
            fix="leave them out: --from and --claims know",
            change=dict.fromkeys(("--control-mode", "--env", "--robot", "--view")),
        )
    if originals:
        return restore(root, [Path(original) for original in originals], overwrite=overwrite)
    if claims:
        said = from_file(Path(claims))
    else:
        said = from_words(str(layout), control_mode, pairs(env), robot, pairs(view), goal)
    return describe_by_claims(root, checked(said), overwrite=overwrite)


def show(dataset: PathLike, *, episode: int = 0, output: PathLike | None = None, rerun: bool = False) -> Shown:
    """Summarise a dataset, and draw an episode: every camera at a few moments, curves with units, a film.

    Parameters
    ----------
    dataset
        Its folder.
    episode
        Which episode to draw.
    output
        Folder for `sheet.png`, `state.png`, `actions.png` and `episode.mp4`; None draws nothing.
    rerun
        Write `episode.rrd` too, for the Rerun viewer.

    Raises
    ------
    UsageError
        The dataset or the episode does not exist, or nothing can be written there.
    DataError
        It is damaged.
    SetupError
        `rerun` is asked for and rerun-sdk is not installed.

    """
    return show_dataset(Path(dataset), episode=episode, output=path_or_none(output), rerun=rerun, notify=notify())
