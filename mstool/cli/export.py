"""`mstool export`: a dataset in the other format, or a trained policy as others get it."""

from pathlib import Path
from typing import Annotated

import typer

from mstool.cli.columns import Drop, Rename
from mstool.cli.output import print_reports

EXAMPLES = """

Examples:

    mstool export data/PickCube-v1 --format v2.1 --output data/PickCube-v1-openpi

    mstool export data/PickCube-v1 --format v2.1 --storage image --output data/PickCube-v1-openpi --json

    mstool export so101_v21 --format v3.0 --output so101

    mstool export so101 --drop operator --rename observation.pose=observation.state --output so101_renamed

    mstool export data/PickCube-v1 --video-profile portable --output data/PickCube-v1-portable

    mstool export runs/pick --output pick
"""


def export(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of the dataset, or of a run of finetune.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the result.")],
    version: Annotated[
        str | None,
        typer.Option("--format", help="LeRobot version: v3.0, or v2.1 (openpi).", show_default="as it is"),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Images as video or image.", show_default="as the dataset keeps them")
    ] = None,
    drop: Drop = None,
    rename: Rename = None,
    video_profile: Annotated[
        str | None,
        typer.Option(help="Encode videos anew: exact or portable (browsers).", show_default="as they are encoded"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Write a dataset, ours or not, in another LeRobot version or video profile, without loss of statistics.

    One made elsewhere (v2.0, v2.1 or v3.0) keeps its columns, but those of `--drop`, and its pictures as they are
    stored, unless `--storage` or `--video-profile` says otherwise. Of a trained policy the last checkpoint becomes a
    small folder: bfloat16 weights, what its numbers mean, and a card.
    """
    from mstool.api.datasets import export as run
    from mstool.maniskill2lerobot.rewrite.elsewhere.source import parse_renames

    report = run(
        dataset,
        output,
        version=version,
        storage=storage,
        drop=drop,
        rename=parse_renames(rename or []),
        video_profile=video_profile,
        overwrite=overwrite,
    )
    print_reports([report], as_json=as_json)


export.__doc__ = (export.__doc__ or "") + EXAMPLES
