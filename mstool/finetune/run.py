"""The engine `lerobot`: checks, plan, training, report."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mstool import __version__
from mstool.errors import UsageError
from mstool.finetune import beside, gate, pictures, resume
from mstool.finetune.dataset import read_facts
from mstool.finetune.interrupts import Interrupts
from mstool.finetune.machine import after_first, choose_device, device_bytes, gpus, rank
from mstool.finetune.options import RANDOM, Options
from mstool.finetune.plan import Plan
from mstool.finetune.presets import get_preset
from mstool.paths import writable_folder

Notify = Callable[[str], None]
OnStep = Callable[[int, float], None]


@dataclass(frozen=True)
class Prepared:
    """A checked training that can start."""

    plan: Plan
    # LeRobot's TrainPipelineConfig.
    train: Any
    # Where to start: a Weights, or None.
    weights: Any
    checkpoint: resume.Checkpoint | None
    tokenizer: str


@dataclass(frozen=True)
class Report:
    """What a training did."""

    policy: str
    steps: int
    checkpoint: Path
    # Means over the last logged steps.
    last: dict[str, Any]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "policy": self.policy,
            "steps": self.steps,
            "checkpoint": str(self.checkpoint),
            "last": self.last,
            "seconds": round(self.seconds, 1),
        }

    def text(self) -> str:
        """Return lines for a person."""
        loss = f", loss {self.last['loss']:.4g}" if "loss" in self.last else ""
        return f"{self.policy}: {self.steps} steps in {self.seconds:.0f} s{loss}\nwrote {self.checkpoint}"


def prepare(options: Options, notify: Notify) -> Prepared:
    """Check everything and plan the run; nothing is written but the dataset's verdict.

    Raises
    ------
    UsageError, DataError, SetupError
        Whatever stands in the way of this training.

    """
    preset = get_preset(options.policy)
    facts = read_facts(options.dataset)
    _check_output(options)
    device = choose_device(options.device)
    verdict = gate.check(options, preset.target, notify)

    from mstool.finetune import config as configs
    from mstool.finetune.memory import estimate
    from mstool.finetune.weights import find_tokenizer

    checkpoint = None
    if options.resume:
        configs.register()
        checkpoint = resume.find(options, verdict.content_hash)
        train = resume.load(options, checkpoint, device)
        setup = configs.resumed(train, facts)
    else:
        setup = configs.build(options, preset, facts, device)
    train = setup.train
    cache = pictures.choose(options, facts, train, verdict.content_hash, notify)
    if cache:
        # Forked workers share the pictures; nothing that a fork breaks (CUDA, a decoder) is used in them.
        train.dataloader_multiprocessing_context = "fork"
    tokenizer = find_tokenizer(options) if options.policy == "pi05" and checkpoint is None else ""
    plan = Plan(
        options=options,
        facts=facts,
        verdict=verdict,
        keys=setup.keys,
        config=train.to_dict(),
        reasons=setup.reasons,
        norm={kind: mode.value for kind, mode in train.policy.normalization_mapping.items()},
        start=_start(options, setup.weights, checkpoint),
        device=device,
        device_bytes=device_bytes(device),
        memory=estimate(train.policy, preset, samples=train.batch_size, lora=train.peft is not None),
        cache=cache,
        gpus=gpus(),
        first_step=checkpoint.step if checkpoint else 0,
    )
    return Prepared(plan, train, setup.weights, checkpoint, tokenizer if options.tokenizer else "")


def finetune(prepared: Prepared, on_step: OnStep = lambda _step, _loss: None) -> Report:
    """Train, with LeRobot's own loop.

    Parameters
    ----------
    prepared
        What `prepare` returned.
    on_step
        Told the number and the loss of every step.

    Raises
    ------
    MstoolError
        Disk or memory are too small, the training was stopped, or it could not go on.

    """
    from lerobot.scripts.lerobot_train import train

    from mstool.finetune.hooks import Hooks, hooked
    from mstool.finetune.problems import explained

    plan, options, config = prepared.plan, prepared.plan.options, prepared.train
    if config.save_checkpoint and plan.obstacle:
        raise plan.obstacle
    interrupts = Interrupts()
    hooks = Hooks(
        output=options.output,
        beside=beside.collect(plan.facts, _run_facts(plan), force=options.force),
        interrupts=interrupts,
        seed=config.seed or 0,
        cache=plan.cache,
        weights=prepared.weights,
        random_weights=options.init == RANDOM and prepared.checkpoint is None,
        tokenizer=prepared.tokenizer,
        on_step=on_step,
    )
    if options.overwrite:
        after_first(plan.device, partial(shutil.rmtree, options.output, ignore_errors=True))
    started = time.monotonic()
    with (
        interrupts.heard(),
        explained(options, config.batch_size, plan.memory, plan.device_bytes),
        hooked(hooks),
        _command_line(prepared.checkpoint),
        # pi05 prints while it loads, and stdout is for the report.
        redirect_stdout(sys.stderr),
    ):
        train(config)
    from mstool.finetune.logs import last_line

    newest = resume.newest(options.output)
    folder = newest.model if newest else options.output
    return Report(options.policy, hooks.step, folder, last_line(options.output), time.monotonic() - started)


@contextmanager
def _command_line(checkpoint: resume.Checkpoint | None) -> Iterator[None]:
    """LeRobot's `TrainPipelineConfig.validate` reads `--config_path` from the command line when it resumes."""
    before = sys.argv
    sys.argv = ["lerobot-train", *([f"--config_path={checkpoint.model}"] if checkpoint else [])]
    try:
        yield
    finally:
        sys.argv = before


def _check_output(options: Options) -> None:
    output = options.output
    writable_folder(output.absolute().parent, "--output")
    if options.resume or not output.exists() or rank() > 0:
        return
    if output.is_dir() and not any(output.iterdir()):
        # LeRobot insists on making it.
        output.rmdir()
        return
    if not options.overwrite:
        raise UsageError(
            f"{output} exists already",
            fix=f"{options.command(resume=True)} goes on; --overwrite removes it; --output takes another folder",
        )
    if not (output / resume.CHECKPOINTS).is_dir() and not (output / "train_log.jsonl").is_file():
        raise UsageError(f"--overwrite: {output} is not a training's folder", fix="--output takes another folder")


def _start(options: Options, weights: Any, checkpoint: resume.Checkpoint | None) -> str:
    if checkpoint is not None:
        return f"going on from {checkpoint.folder}"
    how = "LoRA adapters on " if options.lora else ""
    if weights is not None:
        return f"{how}weights of {weights.where}"
    if get_preset(options.policy).init:
        return f"{how}RANDOM weights: a test of the pipeline, not a policy"
    return "from scratch"


def _run_facts(plan: Plan) -> dict[str, Any]:
    return {
        "policy": plan.options.policy,
        "dataset": plan.facts.root.resolve().name,
        "dataset_hash": plan.verdict.content_hash,
        "validation": {"target": plan.verdict.target, "valid": plan.verdict.valid},
        "mstool": __version__,
        "start": plan.start,
        "command": plan.options.command(),
    }
