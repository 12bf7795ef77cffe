"""`mstool build`: everything a manifest names, to one dataset or one per task."""

from pathlib import Path
from typing import Annotated

import typer

from mstool.cli import convert_options as opt
from mstool.cli.output import print_reports
from mstool.cli.workers import Workers
from mstool.defaults import DEFAULT_LAYOUT

EXAMPLES = """

Examples:

    mstool build datasets_manifest.yaml --episodes 50

    mstool build my_tasks.yaml --env PickCube-v1,StackCube-v1 --format both --output data/two_tasks

    mstool build datasets_manifest.yaml --per-task --demos generate --episodes 100
"""


def build(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A file like datasets_manifest.yaml.")],
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", help="Only these entries, by comma or repeated.", show_default="all"),
    ] = None,
    demos: opt.Demos = None,
    episodes: opt.Episodes = None,
    seed: opt.Seed = None,
    output: opt.Output = None,
    repo_id: opt.RepoId = None,
    layout: opt.LayoutName = DEFAULT_LAYOUT,
    control_mode: opt.ControlMode = None,
    image_size: opt.ImageSize = None,
    cameras: opt.Cameras = None,
    goal: opt.GoalMode = "visible",
    horizon: opt.Horizon = None,
    hold_steps: opt.HoldSteps = 0,
    observations: opt.ObservationsFrom = "replayed",
    from_states: opt.FromStates = False,
    render_detail: opt.RenderDetail = "full",
    version: opt.Format = "v3.0",
    storage: opt.StorageKind = None,
    video_profile: opt.VideoProfileName = None,
    per_task: opt.PerTask = False,
    workers: Workers = None,
    executor: opt.ExecutorName = "local",
    ray_address: opt.RayAddress = "auto",
    fresh: opt.Fresh = False,
    skip_invalid: opt.SkipInvalid = False,
    keep_failures: opt.KeepFailures = False,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
) -> None:
    """Convert the environments of a manifest, with its sentences, horizons and cameras, in its order."""
    from mstool.api.convert import build as run

    reports = run(
        manifest,
        env,
        demos=demos,
        episodes=episodes,
        seed=seed,
        output=output,
        repo_id=repo_id,
        layout=layout,
        control_mode=control_mode,
        image_size=image_size,
        cameras=cameras,
        goal=goal,
        horizon=horizon,
        hold_steps=hold_steps,
        observations=observations,
        from_states=from_states,
        render_detail=render_detail,
        version=version,
        storage=storage,
        video_profile=video_profile,
        per_task=per_task,
        workers=workers,
        executor=executor,
        ray_address=ray_address,
        fresh=fresh,
        skip_invalid=skip_invalid,
        keep_failures=keep_failures,
        overwrite=overwrite,
    )
    print_reports(reports, as_json=as_json)


build.__doc__ = (build.__doc__ or "") + EXAMPLES
