"""`mstool eval`: how often a policy solves a benchmark's tasks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mstool.cli.output import out, print_json, say, table
from mstool.cli.workers import Workers
from mstool.errors import UsageError

if TYPE_CHECKING:
    from mstool.evaluation.results import Results


def evaluate(
    *,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            "-p",
            help="A LeRobot checkpoint (runs/NAME, a checkpoint in it, or owner/name), ws://HOST:PORT of an openpi "
            "server, replay:DATASET, planner, or random.",
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", help="Tasks, comma-separated or repeated. Default: those trained on."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="seed6: Pick-, Stack-, Push-, Pull-, PullCubeTool and PlaceSphere; or all.")
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option("--episodes", "-n", min=1, help="Per task.", show_default="40; of replay: all"),
    ] = None,
    seed_start: Annotated[
        int | None,
        typer.Option(
            min=0, help="First seed; none may be a training seed.", show_default="10000; LIBERO's initial states from 0"
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="LIBERO's: horizons and replanning of openpi or lerobot.", show_default="openpi")
    ] = None,
    workers: Workers = None,
    replan: Annotated[
        int | None,
        typer.Option(min=1, help="Actions executed of each chunk.", show_default="as the policy says, or all"),
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average overlapping chunks, as ACT does; replans at every step.")
    ] = False,
    hold: Annotated[int, typer.Option(min=0, help="Steps that go on after the first success, for `at end`.")] = 20,
    dataset: Annotated[
        Path | None,
        typer.Option(help="The training dataset, where it is not beside the checkpoint; for servers and --diagnose."),
    ] = None,
    instruction: Annotated[
        str | None, typer.Option(help="The sentence to give.", show_default="the dataset's, or the manifest's")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="The most steps of an episode.", show_default="the manifest's")
    ] = None,
    device: Annotated[str, typer.Option(help="Where a checkpoint runs: auto, cpu, cuda.")] = "auto",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a server may take for an answer.")] = 60.0,
    video: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write an mp4 of every episode; renders every step.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the results.", show_default="RUN/eval/STEP or eval/NAME"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what was measured before.")] = False,
    diagnose: Annotated[
        bool,
        typer.Option(
            "--diagnose",
            help="Say why it fails: use of the actions, states outside the training data, cameras; with --dataset also "
            "open-loop error and where it leaves stored episodes. 10 episodes per task.",
        ),
    ] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A.json B.json", help="Compare two results on their common seeds, and stop."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run a policy in ManiSkill or LIBERO, closed loop, on unseen seeds, and count how often it succeeds.

    The environment is the one its dataset was converted in. Success rates come with Wilson's 95 % intervals.

    Examples
    --------
    mstool eval --policy runs/pick

    mstool eval --policy runs/six --suite seed6 --episodes 50 --workers 14 --json

    mstool eval --policy ws://localhost:8000 --dataset data/PickCube-v1 --replan 8

    mstool eval --policy replay:data/PickCube-v1

    mstool eval --policy planner --env PickCube-v1

    mstool eval --policy ws://localhost:8000 --dataset data/libero --env libero_spatial --episodes 50

    mstool eval --policy runs/pick --diagnose --dataset data/PickCube-v1

    mstool eval --compare runs/a/eval/020000 runs/b/eval/020000

    """
    if compare is not None:
        _compare(*compare, as_json=as_json)
        return
    if policy is None:
        raise UsageError("which policy?", fix="mstool eval --policy runs/NAME", change={"--policy": "runs/NAME"})
    from mstool.api.evaluate import evaluate as run

    results = run(
        policy,
        env=env,
        suite=suite,
        episodes=episodes,
        seed_start=seed_start,
        protocol=protocol,
        workers=workers,
        replan=replan,
        ensemble=ensemble,
        hold=hold,
        dataset=dataset,
        instruction=instruction,
        horizon=horizon,
        device=device,
        timeout=timeout,
        video=video,
        output=output,
        fresh=fresh,
        diagnose=diagnose,
    )
    if as_json:
        print_json(results.to_json())
    else:
        _print(results)
    if results.crashed:
        raise typer.Exit(1)


def _compare(first: Path, second: Path, *, as_json: bool) -> None:
    from mstool.api.evaluate import compare

    comparison = compare(first, second)
    if as_json:
        print_json(comparison.to_json())
        return
    rows = comparison.rows()
    out(table(rows, list(rows[0])))
    say(f"A: {comparison.names[0]}\nB: {comparison.names[1]}")
    for difference in comparison.differences:
        say(f"differs: {difference}")
    unpaired = comparison.total().unpaired
    if unpaired:
        say(f"{unpaired} episodes that only one of them has are left out")


def _print(results: "Results") -> None:
    out(table(results.rows(), results.columns()))
    for failures in filter(None, (task.failures() for task in results.tasks)):
        out(failures)
    for note in results.notes:
        say(f"note: {note}")
    for task in results.tasks:
        for outcome in task.outcomes:
            if outcome.crashed:
                say(f"crashed: {outcome.env_id} seed {outcome.seed}: {outcome.reason}")
    if results.diagnosis is not None:
        out("\ndiagnosis" + "".join(f"\n  * {finding}" for finding in results.diagnosis["findings"]))
    timing = results.timing
    if timing["episodes"]:
        say(
            f"{results.policy}: {timing['episodes']} episodes in {timing['seconds']:.0f} s with {timing['workers']} "
            f"workers, {timing['steps_per_second']:.0f} steps/s"
        )
    say(f"results: {results.folder}")
    if results.crashed:
        say(f"{results.crashed} episodes have no outcome: run the same command again to try them once more")
