"""`mstool describe`: what a dataset means, where another tool has dropped it."""

from pathlib import Path
from typing import Annotated

import typer

from mstool.cli.output import print_reports

EXAMPLES = """

Examples:

    mstool describe data/edited --from data/PickCube-v1

    mstool describe data/merged --from data/PickCube-v1 --from data/StackCube-v1 --json
"""


def describe(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset that another tool wrote.")],
    originals: Annotated[
        list[Path],
        typer.Option("--from", metavar="ORIGINAL", help="A dataset of ours that it was made of; repeatable."),
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the record that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Restore what a dataset's numbers mean after LeRobot's tools deleted, split, merged or converted episodes."""
    from mstool.dataset.describe import describe as run

    print_reports([run(dataset, originals, overwrite=overwrite)], as_json=as_json)


describe.__doc__ = (describe.__doc__ or "") + EXAMPLES
