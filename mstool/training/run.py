"""The engine `lerobot`: validation, training, report."""

import io
import math
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mstool import __version__
from mstool.folders import training_alone
from mstool.paths import checkpoint_name
from mstool.processes import killed_by_ctrl_c
from mstool.progress import listening
from mstool.training import checkpoint_sidecar, gate, logs, resume
from mstool.training.clock import Clock, TimeUp
from mstool.training.expected import UNDERTRAINED, is_undertrained
from mstool.training.held_out import EPISODES, HeldOut, best
from mstool.training.held_out_demos import in_words
from mstool.training.interrupts import Interrupts
from mstool.training.machine import after_first, rank
from mstool.training.options import RANDOM, FinetuneOptions
from mstool.training.prepare import Prepared
from mstool.training.run_folder import BEST
from mstool.training.weights import at_hub

OnStep = Callable[[int, float], None]


@dataclass(frozen=True)
class TrainingReport:
    """What a training did."""

    policy: str
    steps: int
    checkpoint: Path
    # Means over the last logged steps.
    last: dict[str, Any]
    seconds: float
    # Of `--eval-freq`: the checkpoint that solved most (`held_out.best`).
    best: dict[str, Any] | None = None
    # Whether the loss says that it should have gone on.
    undertrained: bool = False
    # The checkpoint's loss on demos that were not trained on, and on as many frames that were (`held_out_demos.judge`).
    held_out: dict[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "policy": self.policy,
            "steps": self.steps,
            "checkpoint": str(self.checkpoint),
            "last": self.last,
            "seconds": round(self.seconds, 1),
            "best": self.best,
            "undertrained": self.undertrained,
            "held_out": self.held_out,
        }

    def text(self) -> str:
        """Return lines for a person."""
        loss = f", loss {self.last['loss']:.4g}" if "loss" in self.last else ""
        lines = [f"{self.policy}: {self.steps} steps in {self.seconds:.0f} s{loss}", f"wrote {self.checkpoint}"]
        if self.held_out:
            lines.append(in_words(self.held_out))
        if self.undertrained:
            lines.append(UNDERTRAINED)
        if self.best:
            where = self.checkpoint.parent.parent / BEST
            lines.append(
                f"best on held-out seeds: step {self.best['step']}, {100 * self.best['once']:.0f} % of "
                f"{self.best['episodes']} episodes: {where}"
            )
        return "\n".join(lines)


def finetune(
    prepared: Prepared, on_step: OnStep = lambda _step, _loss: None, verdict: gate.Verdict | None = None
) -> TrainingReport:
    """Validate the dataset, then train with LeRobot's own loop.

    Parameters
    ----------
    prepared
        What `prepare` returned.
    on_step
        Told the number and the loss of every step.
    verdict
        What `gate.check` said of the dataset; None asks it now.

    Raises
    ------
    MstoolError
        The dataset is not valid, the machine lacks something, the training was stopped, or it could not go on.

    """
    from lerobot.scripts.lerobot_train import train

    from mstool.training.hooks import Hooks, hooked
    from mstool.training.problems import explained

    plan, options, config = prepared.plan, prepared.plan.options, prepared.train
    if config.save_checkpoint and plan.obstacle:
        raise plan.obstacle
    verdict = verdict or gate.check(options, plan.target, plan.content_hash)
    interrupts = Interrupts()
    hooks = Hooks(
        output=options.output,
        sidecar=checkpoint_sidecar.collect(plan.facts, plan.conventions, _run_facts(prepared, verdict)),
        interrupts=interrupts,
        seed=config.seed or 0,
        cache=plan.cache,
        planned=plan.memory.total if plan.memory else None,
        weights=prepared.weights,
        random_weights=options.init == RANDOM and prepared.checkpoint is None,
        tokenizer=prepared.tokenizer,
        resumed=prepared.checkpoint.model if prepared.checkpoint else None,
        clock=_clock(prepared),
        held_out=HeldOut(options.output, options.eval_episodes or EPISODES) if options.eval_freq else None,
        compile=options.compile,
        steps=config.steps,
        on_step=on_step,
    )
    started = time.monotonic()
    with (
        interrupts.heard(),
        training_alone(options.output) if rank() == 0 else nullcontext(),
        explained(options, config, plan.memory, plan.device_bytes),
        at_hub(plan.downloads),
        hooked(hooks),
        logs.given_back(),
        # pi05 prints while it loads, and stdout is for the report.
        redirect_stdout(io.StringIO() if listening() else sys.stderr),
        suppress(TimeUp),
        killed_by_ctrl_c(),
    ):
        _make_way(options, plan.device)
        train(config)
    last = hooks.last()
    newest = resume.newest(options.output)
    folder = newest.model if newest else options.output
    return TrainingReport(
        options.policy,
        hooks.step,
        folder,
        last,
        time.monotonic() - started,
        best(options.output),
        undertrained=is_undertrained(
            prepared.plan.config["policy"], last.get("loss", math.inf), last.get("epochs", 0.0)
        ),
        held_out=hooks.judged,
    )


def _make_way(options: FinetuneOptions, device: str) -> None:
    """Remove what `--overwrite` says, or an empty folder: LeRobot insists on making its own."""
    if options.overwrite:
        after_first(device, partial(shutil.rmtree, options.output, ignore_errors=True))
    elif not options.resume and rank() == 0 and options.output.is_dir():
        options.output.rmdir()


def _clock(prepared: Prepared) -> Clock | None:
    """Return the clock of a run that ends by time, which a checkpoint has set going already."""
    minutes, policy = prepared.plan.minutes, prepared.train.policy
    if minutes is None:
        return None
    floor = getattr(policy, "scheduler_decay_lr", 0.0) / policy.optimizer_lr
    spent = prepared.checkpoint.run.get("seconds", 0.0) if prepared.checkpoint else 0.0
    return Clock(minutes, floor=floor, spent=spent)


def _run_facts(prepared: Prepared, verdict: gate.Verdict) -> dict[str, Any]:
    plan = prepared.plan
    return {
        "policy": plan.options.policy,
        "dataset": plan.facts.root.resolve().name,
        "dataset_hash": plan.content_hash,
        "validation": {"target": verdict.target, "valid": verdict.valid},
        "mstool": __version__,
        "start": _start(prepared),
        "command": plan.options.command(),
        **({"minutes": plan.minutes} if plan.minutes else {}),
        **{name: getattr(plan.options, name) for name in resume.TAKEN_OVER if getattr(plan.options, name)},
    }


def _start(prepared: Prepared) -> str:
    """Say where the run began, without a folder of this machine: a checkpoint is handed on."""
    plan, weights, checkpoint = prepared.plan, prepared.weights, prepared.checkpoint
    if checkpoint is not None:
        return str(checkpoint.run.get("start") or f"going on from {checkpoint_name(checkpoint.model)}")
    local = weights is not None and weights.hub is None
    return plan.start.replace(weights.where, checkpoint_name(Path(weights.where))) if local else plan.start
