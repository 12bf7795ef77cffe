"""`mstool describe`: what a dataset means, where another tool has dropped it or never said it."""

from pathlib import Path
from typing import Annotated

import typer

from mstool.cli.output import print_reports

EXAMPLES = """

Examples:

    mstool describe data/edited --from data/PickCube-v1

    mstool describe data/merged --from data/PickCube-v1 --from data/StackCube-v1 --json

    mstool describe my_own --layout libero --env PickCube-v1 --view observation.images.front=base

    mstool describe libero_10 --layout libero

    mstool describe two_tasks --layout libero --env "pick it up=PickCube-v1" --env "push it=PushCube-v1"

    mstool describe so100 --layout native --env PickCubeSO100-v1 --control-mode pd_joint_delta_pos

    mstool describe my_own --claims my_own.yaml
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
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            "-e",
            metavar="ENV",
            help="The ManiSkill environment that it was recorded in; of several, SENTENCE=ENV for each sentence.",
        ),
    ] = None,
    robot: Annotated[
        str | None,
        typer.Option(
            "--robot", help="The simulator's name of the robot.", show_default="panda; native: the environment's"
        ),
    ] = None,
    view: Annotated[
        list[str] | None,
        typer.Option("--view", metavar="COLUMN=VIEW", help="Which view (base, wrist) a camera is; repeatable."),
    ] = None,
    goal: Annotated[str, typer.Option("--goal", help="A hidden goal is visible, hidden or in the state.")] = "visible",
    claims: Annotated[
        Path | None, typer.Option("--claims", metavar="FILE", help="A YAML file that says all this instead.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the record that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say what a dataset's numbers mean: `eval`, `finetune`, `stats` and `validate` then know it.

    With --from, what a dataset of ours meant is restored after LeRobot's tools deleted, split, merged or converted
    episodes. With --layout, a dataset made elsewhere gets a record of its own; each claim is tested on its numbers and
    images, one that they contradict is refused, and one that they cannot decide is marked as not tested. Layout native
    takes the names from the robot of the environment. A file of claims holds the same words:

        layout: libero
        env: {pick up the red cube: PickCube-v1, push the cube: PushCube-v1}
        views: {observation.images.front: base}
        control_mode, robot, goal: as the options
    """
    from mstool.api.datasets import describe as run

    report = run(
        dataset,
        originals=originals,
        layout=layout,
        control_mode=control_mode,
        env=env,
        robot=robot,
        view=view,
        goal=goal,
        claims=claims,
        overwrite=overwrite,
    )
    print_reports([report], as_json=as_json)


describe.__doc__ = (describe.__doc__ or "") + EXAMPLES
