"""From a dataset to a policy."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypedDict, Unpack, overload

from mstool.api.arguments import PathLike, path_or_none
from mstool.errors import MstoolError
from mstool.evaluation.ready import check_ready
from mstool.progress import Step, notify, tell
from mstool.training import gate
from mstool.training.machine import rank, said_by_first
from mstool.training.openpi.report import OpenpiReport
from mstool.training.openpi_engine import write
from mstool.training.options import FinetuneOptions
from mstool.training.plan import Plan
from mstool.training.plan_text import text
from mstool.training.prepare import prepare
from mstool.training.problems import Stopped
from mstool.training.resume import newest
from mstool.training.run import OnStep, TrainingReport
from mstool.training.run import finetune as train


class FinetuneChoices(TypedDict, total=False):
    """What `finetune` takes whatever it returns."""

    policy: str | None
    init: str | None
    steps: int | None
    minutes: float | None
    batch_size: int | None
    lr: float | None
    chunk_size: int | None
    head: str | None
    network: str | None
    image_size: int | None
    compile_: str
    lora: bool
    tokenizer: PathLike | None
    output: PathLike | None
    seed: int | None
    num_workers: int | None
    cache_frames: str
    save_every: int | None
    log_every: int | None
    eval_split: float | None
    eval_freq: int | None
    eval_episodes: int | None
    device: str | None
    wandb: bool
    resume: bool
    overwrite: bool
    force: bool
    on_plan: Callable[[Plan], object] | None
    on_step: OnStep | None


@overload
def finetune(
    dataset: PathLike,
    *,
    engine: Literal["lerobot"] = "lerobot",
    dry_run: Literal[False] = False,
    **choices: Unpack[FinetuneChoices],
) -> TrainingReport: ...
@overload
def finetune(
    dataset: PathLike,
    *,
    engine: Literal["lerobot"] = "lerobot",
    dry_run: Literal[True],
    **choices: Unpack[FinetuneChoices],
) -> Plan: ...
@overload
def finetune(
    dataset: PathLike, *, engine: Literal["openpi"], dry_run: bool = False, **choices: Unpack[FinetuneChoices]
) -> OpenpiReport: ...
@overload
def finetune(
    dataset: PathLike, *, engine: str, dry_run: bool, **choices: Unpack[FinetuneChoices]
) -> TrainingReport | Plan | OpenpiReport: ...


def finetune(
    dataset: PathLike,
    *,
    policy: str | None = None,
    init: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    chunk_size: int | None = None,
    head: str | None = None,
    network: str | None = None,
    image_size: int | None = None,
    compile_: str = "auto",
    lora: bool = False,
    tokenizer: PathLike | None = None,
    output: PathLike | None = None,
    engine: str = "lerobot",
    seed: int | None = None,
    num_workers: int | None = None,
    cache_frames: str = "auto",
    save_every: int | None = None,
    log_every: int | None = None,
    eval_split: float | None = None,
    eval_freq: int | None = None,
    eval_episodes: int | None = None,
    device: str | None = None,
    wandb: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    force: bool = False,
    dry_run: bool = False,
    on_plan: Callable[[Plan], object] | None = None,
    on_step: OnStep | None = None,
) -> TrainingReport | Plan | OpenpiReport:
    """Train a policy on a dataset that validates for it, with LeRobot's training or your own openpi.

    What is None takes the policy's preset, or with `resume` what the checkpoint says.

    Parameters
    ----------
    dataset
        The folder of a LeRobot v3.0 dataset (v2.1 for openpi).
    policy
        "flow" (by default), "act", "diffusion", "smolvla" or "pi05"; for openpi "pi05" (by default) or "pi0". With
        `resume` and an output by default the run's.
    init
        Weights to start from: a folder, OWNER/NAME on a hub, or "random" (tests).
    steps, batch_size
        Optimizer steps; samples per step and GPU.
    minutes
        Train so long instead of `steps`, the learning rate falling with the time.
    lr
        Peak learning rate.
    chunk_size
        Actions per window.
    head
        "flow" or "ddpm", for the policy "flow".
    network
        How large the policy "flow" is: "base" (by default), or "small", for a machine without a GPU.
    image_size
        Side of the pictures that the policy "flow" sees, pixels; by default 128, of the small network 64.
    compile_
        How flow runs on a GPU: "auto" recorded as CUDA graphs, "on" compiled by torch (minutes), "off" neither.
    lora
        Train adapters alone (pi05).
    tokenizer
        Folder of pi05's tokenizer.
    output
        Folder of the run, by default runs/POLICY-DATASET.
    engine
        "lerobot" trains here; "openpi" writes a script for your openpi.
    seed
        Of everything that is drawn, by default 0.
    num_workers
        Processes that load data, per GPU.
    cache_frames
        Decoded images in memory: "auto" (if they take half of it), "memory" or "off".
    save_every, log_every
        Steps between checkpoints, and between lines of progress.
    eval_split
        Share of each task's demos that is not trained on and that every checkpoint's loss is told of; by default 0.02
        for "flow" where every task has 50 demos or more.
    eval_freq, eval_episodes
        Steps between checkpoints that are evaluated on held-out seeds, episodes per task of each, by default 20; the
        best is marked.
    device
        "cuda", "mps" or "cpu"; by default the best.
    wandb
        Send the numbers to Weights & Biases.
    resume
        Go on from the run's newest checkpoint.
    overwrite
        Remove the run that is there.
    force
        Train although the dataset is not valid.
    dry_run
        Check everything, return the plan and stop.
    on_plan
        Told the plan before anything is loaded or written.
    on_step
        Told the number and the loss of every step.

    Returns
    -------
    What the training did; with `dry_run` the plan, for openpi what was written.

    Raises
    ------
    UsageError, SetupError
        Options contradict each other, the output is taken, or the machine lacks something.
    DataError
        The dataset is not valid for this policy.
    Stopped
        Ctrl-C; a checkpoint is kept.
    MstoolError
        The training could not go on.

    """
    root, tell_line = Path(dataset), notify() if rank() == 0 else _nobody
    chosen = policy or ("pi05" if engine == "openpi" else _policy_of(output if resume else None) or "flow")
    options = FinetuneOptions(
        dataset=root,
        policy=chosen,
        output=path_or_none(output) or Path("runs") / f"{chosen}-{root.resolve().name}",
        engine=engine,
        init=init,
        tokenizer=path_or_none(tokenizer),
        steps=steps,
        minutes=minutes,
        batch_size=batch_size,
        lr=lr,
        chunk_size=chunk_size,
        head=head,
        network=network,
        image_size=image_size,
        compile=compile_,
        lora=lora,
        seed=seed,
        num_workers=num_workers,
        save_every=save_every,
        log_every=log_every,
        eval_split=eval_split,
        eval_freq=eval_freq,
        eval_episodes=eval_episodes,
        device=device,
        cache_frames=cache_frames,
        wandb=wandb,
        resume=resume,
        overwrite=overwrite,
        force=force,
        dry_run=dry_run,
    )
    if engine == "openpi":
        return write(options, tell_line)
    with said_by_first(MstoolError):
        prepared = prepare(options, tell_line)
        plan = prepared.plan
        if on_plan is not None:
            on_plan(plan)
        elif not dry_run:
            tell_line(text(plan))
        if plan.obstacle:
            raise plan.obstacle
        if plan.options.eval_freq and plan.conventions is not None and rank() == 0:
            check_ready(plan.conventions, plan.conventions.env_ids, tell_line, imports=False)
        verdict = gate.check(options, plan.target, plan.content_hash, tell_line)
        tell_line(f"validation  {verdict.target}: {verdict.summary}")
    if dry_run:
        return plan
    with said_by_first(Stopped):
        return train(prepared, _told(plan, on_step), verdict)


def _told(plan: Plan, on_step: OnStep | None) -> OnStep:
    def told(step: int, loss: float) -> None:
        tell(Step("train", step, plan.steps, "step", f"loss {loss:.4g}"))
        if on_step is not None:
            on_step(step, loss)

    return told


def _policy_of(run: PathLike | None) -> str | None:
    """Return the policy of a run that goes on, None where there is no run."""
    checkpoint = newest(Path(run)) if run is not None else None
    return checkpoint.run.get("policy") if checkpoint else None


def _nobody(_line: str) -> None:
    pass
