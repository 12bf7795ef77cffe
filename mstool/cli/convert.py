"""`mstool convert`: demos to a dataset."""

from pathlib import Path

import typer

from mstool.cli.output import print_json, say

EXAMPLES = """
Examples:

    mstool convert --env PickCube-v1

    mstool convert --env StackCube-v1 --episodes 100 --demos generate --seed 1000 --root data/stack

    mstool convert --env PushCube-v1 --demos ~/.maniskill/demos/PushCube-v1/motionplanning --json
"""


def convert(
    env: str = typer.Option(..., "--env", "-e", help="ManiSkill environment, for example PickCube-v1."),
    demos: str | None = typer.Option(
        None,
        help="A ManiSkill .h5 (or the folder that holds it), `hub`, or `generate`. "
        "Default: local cache, else the hub if it answers quickly, else generate.",
    ),
    episodes: int | None = typer.Option(
        None, "--episodes", "-n", min=1, help="How many demos to convert. Default: all (10 when generated)."
    ),
    seed: int = typer.Option(0, min=0, help="First seed of generated demos."),
    root: Path | None = typer.Option(None, help="Folder of the dataset.", show_default="data/ENV"),
    repo_id: str | None = typer.Option(None, help="The dataset's name on a hub.", show_default="local/ENV"),
    layout: str = typer.Option("libero", help="What state and actions mean, see `mstool layouts`."),
    control_mode: str | None = typer.Option(
        None, help="Controller that executes the stored actions.", show_default="the layout's first"
    ),
    image_size: str | None = typer.Option(
        None, help="Pixels: 256 for a square, or HEIGHTxWIDTH.", show_default="the layout's"
    ),
    cameras: str | None = typer.Option(
        None, help="Views to render, comma-separated: base, base2, wrist.", show_default="the layout's"
    ),
    goal: str = typer.Option("visible", help="Hidden goal markers: visible, hidden, or state (position stored)."),
    instruction: str | None = typer.Option(None, help="The task's sentence.", show_default="the manifest's"),
    horizon: int | None = typer.Option(None, min=1, help="Drop longer episodes.", show_default="the manifest's"),
    version: str = typer.Option("v3.0", "--format", help="LeRobot version: v3.0, v2.1 (openpi), or both."),
    storage: str | None = typer.Option(
        None, help="Pictures as video or image.", show_default="video for v3.0, image for v2.1"
    ),
    workers: int | None = typer.Option(None, min=1, help="Processes.", show_default="by cores and memory"),
    fresh: bool = typer.Option(False, "--fresh", help="Forget what an interrupted run finished."),
    skip_invalid: bool = typer.Option(False, "--skip-invalid", help="Drop damaged demos instead of stopping."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the dataset that is there."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Replay ManiSkill demos into a LeRobot dataset: RGB views, 8D state, actions, exact norm stats."""
    from mstool.maniskill2lerobot.convert import Batch
    from mstool.maniskill2lerobot.convert import convert as run
    from mstool.maniskill2lerobot.demos.source import open_demos
    from mstool.maniskill2lerobot.options import make_recipe, parse_formats
    from mstool.maniskill2lerobot.target import check_target

    target = root or Path("data") / env
    formats = parse_formats(version, storage)
    recipe = make_recipe(
        env,
        layout=layout,
        control_mode=control_mode,
        image_size=image_size,
        cameras=cameras,
        goal=goal,
        instruction=instruction,
        horizon=horizon,
        storages=tuple(dict.fromkeys(formats.values())),
    )
    check_target(target, overwrite=overwrite)
    source = open_demos(env, demos, episodes=episodes, seed=seed, notify=say)
    report = run(
        [Batch(source, recipe, episodes)],
        target,
        repo_id=repo_id or f"local/{env}",
        formats=formats,
        overwrite=overwrite,
        skip_invalid=skip_invalid,
        fresh=fresh,
        workers=workers,
        notify=say,
    )
    if as_json:
        print_json(report.to_json())
        return
    print(report.text())


convert.__doc__ = (convert.__doc__ or "") + EXAMPLES
