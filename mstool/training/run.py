"""The engine `lerobot`: validation, training, report."""

import io
import math
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mstool import __version__
from mstool.progress import listening
from mstool.training import checkpoint_sidecar, gate, logs, resume
from mstool.training.clock import Clock, TimeUp
from mstool.training.expected import TRAINED
from mstool.training.held_out import BEST, HeldOut, best
from mstool.training.interrupts import Interrupts
from mstool.training.machine import after_first, rank
from mstool.training.options import RANDOM, FinetuneOptions
from mstool.training.plan import Plan
from mstool.training.prepare import Prepared
from mstool.training.weights import at_hub

# The loss of a run that wrote no line of progress is the mean of so many steps.
_LAST = 20

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
        }

    def text(self) -> str:
        """Return lines for a person."""
        loss = f", loss {self.last['loss']:.4g}" if "loss" in self.last else ""
        lines = [f"{self.policy}: {self.steps} steps in {self.seconds:.0f} s{loss}", f"wrote {self.checkpoint}"]
        if self.undertrained:
            lines.append(f"probably under-trained: policies that solve their tasks end with a loss below {TRAINED}")
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
    seen: deque[float] = deque(maxlen=_LAST)

    def told(step: int, loss: float) -> None:
        seen.append(loss)
        on_step(step, loss)

    hooks = Hooks(
        output=options.output,
        sidecar=checkpoint_sidecar.collect(plan.facts, plan.conventions, _run_facts(plan, verdict)),
        interrupts=interrupts,
        seed=config.seed or 0,
        cache=plan.cache,
        weights=prepared.weights,
        random_weights=options.init == RANDOM and prepared.checkpoint is None,
        tokenizer=prepared.tokenizer,
        resumed=prepared.checkpoint.model if prepared.checkpoint else None,
        clock=_clock(prepared),
        held_out=HeldOut(options.output, options.eval_episodes) if options.eval_freq else None,
        compile=options.compile,
        steps=config.steps,
        on_step=told,
    )
    _make_way(options, plan.device)
    started = time.monotonic()
    with (
        interrupts.heard(),
        explained(options, config, plan.memory, plan.device_bytes),
        at_hub(plan.downloads),
        hooked(hooks),
        logs.given_back(),
        # pi05 prints while it loads, and stdout is for the report.
        redirect_stdout(io.StringIO() if listening() else sys.stderr),
        suppress(TimeUp),
    ):
        train(config)
    # A run that was shorter than its first line of progress has its own losses.
    last = logs.last_line(options.output) or ({"steps": hooks.step, "loss": sum(seen) / len(seen)} if seen else {})
    newest = resume.newest(options.output)
    folder = newest.model if newest else options.output
    return TrainingReport(
        options.policy,
        hooks.step,
        folder,
        last,
        time.monotonic() - started,
        best(options.output),
        undertrained=getattr(config.policy, "head", "") == "flow" and last.get("loss", math.inf) > TRAINED,
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


def _run_facts(plan: Plan, verdict: gate.Verdict) -> dict[str, Any]:
    return {
        "policy": plan.options.policy,
        "dataset": plan.facts.root.resolve().name,
        "dataset_hash": plan.content_hash,
        "validation": {"target": verdict.target, "valid": verdict.valid},
        "mstool": __version__,
        "start": plan.start,
        "command": plan.options.command(),
        **({"minutes": plan.minutes} if plan.minutes else {}),
    }
