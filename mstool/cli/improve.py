"""`mstool improve`: a trained policy gets better by its own episodes."""

from pathlib import Path
from typing import Annotated

import typer

from mstool.cli.output import out, print_json, print_reports
from mstool.cli.workers import Workers


def improve(
    checkpoint: Annotated[
        str, typer.Argument(help="A flow policy (dsrl: or pi05): runs/NAME, a checkpoint in it, or OWNER/NAME.")
    ],
    *,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", help="Tasks, comma-separated or repeated. Default: those trained on."),
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="The demos it was trained on; dsrl needs none.", show_default="the training's")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="fql: a critic pushes a one-step actor. best-of-n: a critic picks a chunk. bc-success: imitation of "
            "own successes. dsrl: the noise of the frozen policy is chosen, pi05 too.",
            show_default="fql",
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="How long, demos and own episodes together.", show_default="20")
    ] = None,
    episodes: Annotated[
        int | None, typer.Option("--episodes", "-n", min=1, help="The most own episodes.", show_default="no limit")
    ] = None,
    demo_updates: Annotated[
        int | None,
        typer.Option(
            min=0, help="Updates on demos alone, at first; fql's actor plays after as many.", show_default="2000"
        ),
    ] = None,
    critic_episodes: Annotated[
        int | None, typer.Option(min=0, help="First own episodes, before the policy learns.", show_default="64")
    ] = None,
    updates: Annotated[
        int | None, typer.Option(min=1, help="Updates that go with each own episode.", show_default="8")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="The most steps of an own episode.", show_default="the manifest's")
    ] = None,
    replan: Annotated[
        int | None,
        typer.Option(min=1, help="Actions executed of each chunk: what the critic judges.", show_default="8"),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Rows of an update.", show_default="256")] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate of the critic; less for the policy.", show_default="0.0003")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="How much fql stays with what imitation taught.", show_default="30")
    ] = None,
    gamma: Annotated[float | None, typer.Option(help="Discount per action.", show_default="0.99")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of everything that is drawn, the own episodes' seeds too.", show_default="0"),
    ] = None,
    seed_start: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the first own episode.", show_default="2000000 + seed * 1000000"),
    ] = None,
    workers: Workers = None,
    device: Annotated[str | None, typer.Option(help="Where it learns: auto, cpu, cuda.", show_default="auto")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the run.", show_default="runs/improve-METHOD-NAME"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's last checkpoint, as it began.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove the run that is there.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, memory and the time of an update, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Improve a trained policy by reinforcement learning on its own episodes.

    The result is a checkpoint like any other: eval and serve take it. Own episodes come from seeds that neither demos
    nor evaluation use. What comes out solved more of them than the policy as it began, or is that policy again.
    OUTPUT/curve.png shows how it went.

    Examples
    --------
    mstool improve runs/pick

    mstool improve runs/pick --dry-run

    mstool improve runs/six --env StackCube-v1 --minutes 20 --output runs/stack-rl

    mstool improve runs/pick --method best-of-n --episodes 200

    mstool improve runs/pick --method dsrl --resume

    """
    from mstool.api.improve import improve as run
    from mstool.improvement.report import ImprovePlan

    def show(plan: ImprovePlan) -> None:
        if as_json:
            print_json(plan.to_json())
        else:
            out(plan.text(), flush=True)

    result = run(
        checkpoint,
        env=env,
        dataset=dataset,
        method=method,
        minutes=minutes,
        episodes=episodes,
        demo_updates=demo_updates,
        critic_episodes=critic_episodes,
        updates=updates,
        horizon=horizon,
        replan=replan,
        batch_size=batch_size,
        lr=lr,
        alpha=alpha,
        gamma=gamma,
        seed=seed,
        seed_start=seed_start,
        workers=workers,
        device=device,
        output=output,
        resume=resume,
        overwrite=overwrite,
        dry_run=dry_run,
        on_plan=show if dry_run else None,
    )
    if not isinstance(result, ImprovePlan):
        print_reports([result], as_json=as_json)
