"""`mstool describe`: what a dataset means, where another tool has dropped it or never said it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mstool.cli.output import print_reports

if TYPE_CHECKING:
    from mstool.validators.claimed_record import Claims

EXAMPLES = """

Examples:

    mstool describe data/edited --from data/PickCube-v1

    mstool describe data/merged --from data/PickCube-v1 --from data/StackCube-v1 --json

    mstool describe my_own --layout libero --env PickCube-v1 --view observation.images.front=base

    mstool describe libero_10 --layout libero
"""


def describe(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset that another tool wrote.")],
    originals: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="ORIGINAL", help="A dataset of ours that it was made of; repeatable."),
    ] = None,
    layout: Annotated[
        str | None, typer.Option("--layout", help="What its state and actions are (mstool layouts).")
    ] = None,
    control_mode: Annotated[
        str | None, typer.Option("--control-mode", help="What its actions are, where the layout has several.")
    ] = None,
    env_id: Annotated[
        str | None, typer.Option("--env", "-e", help="The ManiSkill environment that it was recorded in.")
    ] = None,
    robot: Annotated[str, typer.Option("--robot", help="The simulator's name of the robot.")] = "panda",
    view: Annotated[
        list[str] | None,
        typer.Option("--view", metavar="COLUMN=VIEW", help="Which view (base, wrist) a camera is; repeatable."),
    ] = None,
    goal: Annotated[str, typer.Option("--goal", help="A hidden goal is visible, hidden or in the state.")] = "visible",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the record that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say what a dataset's numbers mean: `eval`, `finetune`, `stats` and `validate` then know it.

    With --from, what a dataset of ours meant is restored after LeRobot's tools deleted, split, merged or converted
    episodes. With --layout, a dataset made elsewhere gets a record of its own; each claim is tested on its numbers and
    images, one that they contradict is refused, and one that they cannot decide is marked as not tested.
    """
    from mstool.errors import UsageError

    if bool(originals) == bool(layout):
        raise UsageError(
            "what is the dataset made of, or what is it?",
            fix=f"mstool describe {dataset} --from ORIGINAL, or --layout LAYOUT (not both)",
        )
    if originals and (control_mode or env_id or view):
        raise UsageError("--control-mode, --env and --view go with --layout", fix="leave them out: --from knows them")
    if originals:
        from mstool.dataset.describe import describe as restore

        print_reports([restore(dataset, originals, overwrite=overwrite)], as_json=as_json)
        return
    from mstool.validators.claims import describe_by_claims

    claims = _claims(str(layout), control_mode, env_id, robot, view or [], goal)
    print_reports([describe_by_claims(dataset, claims, overwrite=overwrite)], as_json=as_json)


def _claims(
    layout: str, control_mode: str | None, env_id: str | None, robot: str, views: list[str], goal: str
) -> "Claims":
    from typing import cast, get_args

    from mstool.contract import Goal
    from mstool.errors import UsageError
    from mstool.validators.claimed_record import Claims

    if goal not in get_args(Goal):
        raise UsageError(f"--goal {goal!r} is unknown", fix=f"choose --goal {' or '.join(get_args(Goal))}")
    pairs = [word.partition("=") for word in views]
    for column, _, name in pairs:
        if not column or not name:
            raise UsageError("--view is COLUMN=VIEW", fix="--view observation.images.front=base")
    if env_id is not None:
        from mstool.simulators.benchmarks import benchmark_of

        benchmark_of(env_id).check_env_id(env_id)
    named = {column: name for column, _, name in pairs}
    return Claims(layout, control_mode, env_id, robot, named, cast("Goal", goal))


describe.__doc__ = (describe.__doc__ or "") + EXAMPLES
