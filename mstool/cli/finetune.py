"""`mstool finetune`: a validated dataset to a trained policy."""

from pathlib import Path
from typing import Annotated

import typer

from mstool.cli.output import out, print_json, print_reports
from mstool.errors import MstoolError


def finetune(
    dataset: Annotated[Path, typer.Argument(help="Folder of a LeRobot v3.0 dataset (v2.1 for --engine openpi).")],
    *,
    policy: Annotated[
        str | None,
        typer.Option(
            help="flow, act, diffusion, smolvla or pi05; for openpi pi05 or pi0.", show_default="flow; pi05 for openpi"
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|REPO",
            help="Weights to start from: a folder, OWNER/NAME on a hub, or `random` (tests).",
            show_default="the policy's",
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.", show_default="the preset's")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Train so long instead, the learning rate falling with the time.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Samples per step and GPU.", show_default="the preset's")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.", show_default="the preset's")] = None,
    chunk_size: Annotated[
        int | None, typer.Option(min=1, help="Actions per window.", show_default="the preset's")
    ] = None,
    head: Annotated[str | None, typer.Option(help="flow or ddpm, for --policy flow.", show_default="flow")] = None,
    network: Annotated[
        str | None,
        typer.Option(help="flow's size: base, or small (64 pixels) where there is no GPU.", show_default="base"),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the pictures that flow sees, pixels.", show_default="128")
    ] = None,
    compile_: Annotated[
        str, typer.Option("--compile", help="flow on a GPU: auto (CUDA graphs), on (torch.compile: minutes), off.")
    ] = "auto",
    lora: Annotated[bool, typer.Option("--lora", help="Train adapters alone (pi05).")] = False,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="DIR", help="pi05's tokenizer.", show_default="PaliGemma's")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run.", show_default="runs/POLICY-DATASET")
    ] = None,
    engine: Annotated[str, typer.Option(help="lerobot, or openpi: write a script for your openpi.")] = "lerobot",
    seed: Annotated[int | None, typer.Option(min=0, show_default="0")] = None,
    num_workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that load data, per GPU.", show_default="by cores")
    ] = None,
    cache_frames: Annotated[
        str, typer.Option(help="Keep decoded images in memory: auto (if they take half of it), memory, off.")
    ] = "auto",
    save_every: Annotated[
        int | None, typer.Option(min=1, help="Steps between checkpoints.", show_default="a quarter of them")
    ] = None,
    log_every: Annotated[
        int | None, typer.Option(min=1, help="Steps between lines of progress.", show_default="a fiftieth")
    ] = None,
    eval_split: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Share of each task's demos, less than 1, that is not trained on; checkpoints' loss on them is told.",
            show_default="0.02 where each task has 50, flow",
        ),
    ] = None,
    eval_freq: Annotated[
        int | None,
        typer.Option(min=1, help="Steps between checkpoints that are evaluated on held-out seeds; the best is marked."),
    ] = None,
    eval_episodes: Annotated[
        int | None, typer.Option(min=1, help="Episodes per task of such an evaluation.", show_default="20")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cuda, mps or cpu.", show_default="the best")] = None,
    wandb: Annotated[bool, typer.Option("--wandb", help="Send the numbers to Weights & Biases.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's newest checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove the run that is there.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train although the dataset is not valid.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the whole plan and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    r"""Train a policy on a dataset that validates for it, with LeRobot's training or your own openpi.

    Beside every checkpoint stand the dataset's conventions and the norm stats used: evaluation needs nothing else.

    Examples
    --------
    mstool finetune data/PickCube-v1

    mstool finetune data/PickCube-v1 --minutes 15 --image-size 192

    mstool finetune data/PickCube-v1 --policy pi05 --lora --dry-run

    mstool finetune data/PickCube-v1 --policy act --steps 20000 --output runs/act

    mstool finetune data/PickCube-v1 --output runs/act --resume

    mstool finetune data/PickCube-v1/v2.1 --policy pi05 --engine openpi

    """
    from mstool.api.finetune import finetune as run
    from mstool.training.machine import rank
    from mstool.training.plan import Plan
    from mstool.training.plan_text import text

    plans: list[Plan] = []

    def show(plan: Plan) -> None:
        plans.append(plan)
        if not as_json:
            out(text(plan), flush=True)

    try:
        result = run(
            dataset,
            policy=policy,
            init=init,
            steps=steps,
            minutes=minutes,
            batch_size=batch_size,
            lr=lr,
            chunk_size=chunk_size,
            head=head,
            network=network,
            image_size=image_size,
            compile_=compile_,
            lora=lora,
            tokenizer=tokenizer,
            output=output,
            engine=engine,
            seed=seed,
            num_workers=num_workers,
            cache_frames=cache_frames,
            save_every=save_every,
            log_every=log_every,
            eval_split=eval_split,
            eval_freq=eval_freq,
            eval_episodes=eval_episodes,
            device=device,
            wandb=wandb,
            resume=resume,
            overwrite=overwrite,
            force=force,
            dry_run=dry_run,
            # Before what stands in its way.
            on_plan=show if dry_run else None,
        )
    except MstoolError as error:
        error.document = plans[0].to_json() if plans else {}
        raise
    if isinstance(result, Plan):
        if as_json:
            print_json(result.to_json())
    elif rank() == 0:
        print_reports([result], as_json=as_json)
