"""`mstool convert`: demos to a dataset."""

from typing import Annotated

import typer

from mstool.cli import convert_options as opt
from mstool.cli.output import print_reports
from mstool.cli.workers import Workers
from mstool.defaults import DEFAULT_LAYOUT

EXAMPLES = """

Examples:

    mstool convert --env PickCube-v1

    mstool convert --env StackCube-v1 --episodes 100 --demos generate --seed 1000 --output data/stack

    mstool convert --env PushCube-v1 --demos ~/.maniskill/demos/PushCube-v1/motionplanning --json

    mstool convert --env PickCube-v1 --demos ~/.maniskill/demos/PickCube-v1/rl --from-states

    mstool convert --env PickCube-v1,StackCube-v1 --format both --output data/two_tasks

    mstool convert --env libero_spatial --demos data/demos --format both

    mstool convert --all --per-task --episodes 50

    mstool convert --env PickCube-v1 --executor ray --ray-address head:6379 --output /shared/data/pick
"""


def convert(
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env", "-e", help="Environment, as PickCube-v1, libero_spatial/2, or a suite; several by comma."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="The ten Panda tasks that demos can be generated of (mstool demos list).")
    ] = False,
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
    instruction: Annotated[str | None, typer.Option(help="The task's sentence.", show_default="the manifest's")] = None,
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
    keep_noops: opt.KeepNoops = False,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
) -> None:
    """Replay demos of ManiSkill or LIBERO into a LeRobot dataset: RGB views, 8D state, actions, exact norm stats."""
    from mstool.api.convert import convert as run

    reports = run(
        env,
        every=every,
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
        instruction=instruction,
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
        keep_noops=keep_noops,
        overwrite=overwrite,
    )
    print_reports(reports, as_json=as_json)


convert.__doc__ = (convert.__doc__ or "") + EXAMPLES
