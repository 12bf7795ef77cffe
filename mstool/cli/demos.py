"""`mstool demos`: where demonstrations come from."""

from pathlib import Path

import typer

from mstool.cli.output import out, print_json, say, table
from mstool.cli.workers import PlanWorkers

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Make demonstrations, or list the tasks that have them."
)


@app.command("list")
def list_(as_json: bool = typer.Option(False, "--json", help="Print the tasks as JSON.")) -> None:
    """List the tasks that mstool knows by name, with their sentence, horizon and hidden goal.

    `--all` takes those of `in_all`. Demos can be generated where there is a planner, as `mstool envs` says.
    """
    from dataclasses import asdict

    from mstool.manifest import load_manifest

    rows = [asdict(task) for task in load_manifest().values()]
    if as_json:
        print_json(rows)
        return
    out(table(rows, ["env_id", "in_all", "horizon", "hidden_goal", "instruction"]))


@app.command()
def generate(
    *,
    env: str | None = typer.Option(
        None,
        "--env",
        "-e",
        help="One environment, as PickCube-v1 or libero_spatial/2, or a suite of LIBERO; with --policy by default the "
        "one it was trained on.",
    ),
    policy: str | None = typer.Option(
        None,
        "--policy",
        "-p",
        help="Record its successful episodes instead of the planner's: a LeRobot checkpoint, ws://HOST:PORT of an "
        "openpi server, replay:DATASET, or random.",
    ),
    episodes: int = typer.Option(10, "--episodes", "-n", help="How many successful episodes to keep."),
    seed: int | None = typer.Option(
        None,
        "--seed",
        help="First seed; failures are skipped and the next is tried.",
        show_default="0, in LIBERO 1000, with --correct 50000",
    ),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="Folder for the two files.", show_default="data/demos/ENV/motionplanning"
    ),
    workers: PlanWorkers = None,
    robot: str | None = typer.Option(
        None,
        "--robot",
        help="ManiSkill's name of the robot that the planner moves, where it has a solution with it.",
        show_default="the environment's own",
    ),
    disturb: float = typer.Option(
        0.0,
        min=0.0,
        max=1.0,
        help="Share of the seeds on which the hand is taken up to 6 cm and 0.3 rad away before one of the planner's "
        "motions, at times with its fingers closed; the demo begins there and leads back.",
    ),
    correct: bool = typer.Option(
        False,
        "--correct",
        help="With --policy: the planner goes on from a step of its episode before which it holds nothing, and that is "
        "the demo.",
    ),
    dataset: Path | None = typer.Option(
        None, help="What the policy was trained on, where it does not say so itself: for servers."
    ),
    instruction: str | None = typer.Option(
        None, help="The sentence to give to the policy.", show_default="the dataset's, or the manifest's"
    ),
    horizon: int | None = typer.Option(
        None, min=1, help="The most steps of a policy's episode.", show_default="the manifest's"
    ),
    replan: int | None = typer.Option(
        None, min=1, help="Actions executed of each of a policy's chunks.", show_default="as the policy says, or all"
    ),
    device: str = typer.Option("auto", help="Where a checkpoint runs: auto, cpu, cuda."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace demonstrations that are there."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Solve a task with ManiSkill's own motion-planning solution, or with a policy, and record it.

    Writes `trajectory.h5` and `trajectory.json` as ManiSkill does, ready for `mstool convert`. The same seed
    gives the same demonstration, bit for bit, whatever the number of workers. The planner needs no GPU. A policy acts
    in the environment of its training data, in that control mode; an episode ends with its first success. A planner's
    run that was interrupted goes on when it is given again.

    Of a LIBERO task, a scripted expert makes `TASK_demo.hdf5` in LIBERO's own shape; its first seed is a placement of
    LIBERO's sampler, for its initial states are what policies are evaluated on.

    Examples:

        mstool demos generate --env PickCube-v1 --episodes 100

        mstool demos generate --env StackCube-v1 --episodes 400 --disturb 0.4 --output demos/stack

        mstool demos generate --env PickCubeSO100-v1 --episodes 200 --workers 8

        mstool demos generate --env StackCube-v1 --episodes 20 --seed 1000 --output demos/stack --json

        mstool demos generate --env PickCube-v1 --robot so100 --episodes 20

        mstool demos generate --policy runs/pick --episodes 100 --seed 20000

        mstool demos generate --policy runs/pick --correct --episodes 200 --seed 50000

        mstool demos generate --env libero_spatial --episodes 40
    """
    from mstool.api.demos import generate as run

    reports = run(
        env,
        policy=policy,
        episodes=episodes,
        seed=seed,
        output=output,
        workers=workers,
        robot=robot,
        disturb=disturb,
        correct=correct,
        dataset=dataset,
        instruction=instruction,
        horizon=horizon,
        replan=replan,
        device=device,
        overwrite=overwrite,
    )
    if as_json:
        print_json(reports[0].to_json() if len(reports) == 1 else [report.to_json() for report in reports])
        return
    for report in reports:
        mean = sum(report.steps) / report.episodes
        say(
            f"{report.env_id}: {report.episodes} episodes from {report.attempts} seeds in {report.seconds:.1f} s, "
            f"{mean:.0f} steps each on average"
            + (f", {report.disturbed} {'corrected' if correct else 'disturbed'}" if report.disturbed else "")
        )
        for reason, count in report.failures.items():
            say(f"  failed: {count} x {reason}")
        out(report.h5)
