"""`mstool merge`: several datasets of one layout to one."""

from pathlib import Path
from typing import Annotated

import typer

from mstool.cli.output import print_reports

EXAMPLES = """

Examples:

    mstool merge data/PickCube-v1 data/StackCube-v1 --output data/two_tasks

    mstool merge data/part1 data/part2 --output data/all --overwrite --json
"""


def merge(
    datasets: Annotated[list[Path], typer.Argument(metavar="DATASET...", help="Folders of datasets, in order.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the result.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the dataset that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Join datasets of one layout and format, without simulation or encoding; statistics stay exact."""
    from mstool.maniskill2lerobot.rewrite.merge_export import merge as run

    print_reports([run(datasets, output, overwrite=overwrite)], as_json=as_json)


merge.__doc__ = (merge.__doc__ or "") + EXAMPLES
