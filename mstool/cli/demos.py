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
    env: str = typer.Option(..., "--env", "-e", help="ManiSkill environment, for example PickCube-v1."),
    episodes: int = typer.Option(10, "--episodes", "-n", help="How many successful episodes to keep."),
    seed: int = typer.Option(0, "--seed", help="First seed; failures are skipped and the next is tried."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="Folder for the two files.", show_default="data/demos/ENV/motionplanning"
    ),
    workers: PlanWorkers = None,
    disturb: float = typer.Option(
        0.0,
        min=0.0,
        max=1.0,
        help="Share of the seeds on which the hand is taken up to 6 cm and 0.3 rad away before one of the planner's "
        "motions, at times with its fingers closed; the demo begins there and leads back.",
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace demonstrations that are there."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Solve a task with ManiSkill's own motion-planning solution and record it, no GPU needed.

    Writes `trajectory.h5` and `trajectory.json` as ManiSkill does, ready for `mstool convert`. The same seed
    gives the same demonstration, bit for bit, whatever the number of workers.

    Examples:

        mstool demos generate --env PickCube-v1 --episodes 100

        mstool demos generate --env StackCube-v1 --episodes 400 --disturb 0.4 --output demos/stack

        mstool demos generate --env PickCubeSO100-v1 --episodes 200 --workers 8

        mstool demos generate --env StackCube-v1 --episodes 20 --seed 1000 --output demos/stack --json
    """
    from mstool.simulators.benchmarks import benchmark_of

    folder = output or Path("data/demos") / env / "motionplanning"
    report = benchmark_of(env).generate(
        env, episodes=episodes, seed=seed, out_dir=folder, overwrite=overwrite, workers=workers, disturb=disturb
    )
    if as_json:
        print_json(report.to_json())
        return
    mean = sum(report.steps) / report.episodes
    say(
        f"{report.episodes} episodes from {report.attempts} seeds in {report.seconds:.1f} s, "
        f"{mean:.0f} steps each on average" + (f", {report.disturbed} disturbed" if report.disturbed else "")
    )
    for reason, count in report.failures.items():
        say(f"  failed: {count} x {reason}")
    out(report.h5)
