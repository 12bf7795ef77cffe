"""`mstool merge`: several datasets to one."""

from pathlib import Path
from typing import Annotated

import typer

from mstool.cli.columns import Drop, Rename
from mstool.cli.output import print_reports

EXAMPLES = """

Examples:

    mstool merge data/PickCube-v1 data/StackCube-v1 --output data/two_tasks

    mstool merge data/part1 data/part2 --output data/all --overwrite --json

    mstool merge so101_monday so101_friday --output so101 --drop operator --rename observation.pose=observation.state
"""


def merge(
    datasets: Annotated[list[Path], typer.Argument(metavar="DATASET...", help="Folders of datasets, in order.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the result.")],
    drop: Drop = None,
    rename: Rename = None,
    video_profile: Annotated[
        str | None,
        typer.Option(help="Encode videos anew: exact or portable (browsers).", show_default="as they are encoded"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the dataset that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Join datasets, without simulation, and without encoding unless told to; statistics stay exact.

    Ours must be of one layout and format. With datasets made elsewhere, all need the same columns, fps and robot.
    """
    from mstool.api.datasets import merge as run
    from mstool.maniskill2lerobot.rewrite.elsewhere.source import parse_renames

    report = run(
        datasets,
        output,
        drop=drop,
        rename=parse_renames(rename or []),
        video_profile=video_profile,
        overwrite=overwrite,
    )
    print_reports([report], as_json=as_json)


merge.__doc__ = (merge.__doc__ or "") + EXAMPLES
