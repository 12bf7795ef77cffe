"""From options to a plan that can start: everything that is checked in seconds, the quick and the certain first."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.conventions import load_conventions
from mstool.dataset.fingerprint import content_hash
from mstool.dataset.locate import locate
from mstool.dataset.record import read_record
from mstool.dataset.target import refuse_in_dataset
from mstool.dataset.training import VERSION, read_facts
from mstool.errors import UsageError, together
from mstool.folders import check_no_training, check_nothing_else, check_spared
from mstool.hub_files import checkpoint_parts
from mstool.installation import policy_packages, require
from mstool.paths import quoted, writable_folder
from mstool.progress import Notify
from mstool.torch_device import choose_device
from mstool.training import gate, pictures, resume
from mstool.training.expected import expected
from mstool.training.machine import device_bytes, gpus, rank
from mstool.training.options import FinetuneOptions
from mstool.training.plan import Plan
from mstool.training.presets import get_preset, network_of
from mstool.training.rescaled import rescaled
from mstool.training.run_folder import CHECKPOINTS, TRAIN_LOG, is_own
from mstool.training.weights import at_hub, find_companion, find_weights


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


def prepare(options: FinetuneOptions, notify: Notify = lambda _line: None) -> Prepared:
    """Check everything that is checked in seconds and plan the run; nothing is written.

    The dataset itself is validated later (`gate.check`), when nothing else stands in the way.

    Raises
    ------
    UsageError, DataError, SetupError
        Whatever stands in the way of this training.

    """
    preset = get_preset(options.policy)
    words = f"--policy {options.policy}" + (" --lora" if options.lora else "")
    packages = ["accelerate", *policy_packages(options.policy, adapters=options.lora)]
    together(
        lambda: require(words, [*packages, *(["wandb"] if options.wandb else [])]),
        lambda: locate(options.dataset, prefer=VERSION),
        lambda: check_output(options),
    )
    facts, device, weights = together(
        lambda: read_facts(options.dataset),
        lambda: choose_device(options.device),
        lambda: None if options.resume else find_weights(options, preset),
    )
    fingerprint = content_hash(options.dataset)
    checkpoint = resume.find(options, fingerprint) if options.resume else None
    if checkpoint is not None:
        options = resume.taken_over(options, checkpoint)
        downloads = tuple(checkpoint_parts(checkpoint.model))
    else:
        parts = (weights and weights.hub, find_companion(options, preset))
        downloads = tuple(part for part in parts if part)

    from mstool.training import config as configs
    from mstool.training import held_out_demos
    from mstool.training.memory import estimate

    with at_hub(downloads):
        if checkpoint is not None:
            configs.register()
            setup = configs.resumed(resume.load(options, checkpoint, device), facts)
        else:
            setup = configs.build(options, preset, facts, device, weights)
        train = setup.train
        memory = estimate(train.policy, preset, samples=train.batch_size, lora=train.peft is not None)
    cache = pictures.choose(options, facts, train, fingerprint, notify)
    if cache:
        # Forked workers share the pictures; nothing that a fork breaks (CUDA, a decoder) is used in them.
        train.dataloader_multiprocessing_context = "fork"
    if weights is not None and weights.hub is None and (said := rescaled(Path(weights.where), facts)):
        notify(said)
    conventions = load_conventions(facts.root) if read_record(facts.root) else None
    if options.eval_freq and conventions is None:
        raise UsageError(
            f"--eval-freq: {options.dataset} does not say in which environment its policies act",
            fix=f"leave --eval-freq out, or: mstool describe {quoted(options.dataset)} --from ORIGINAL (of one made "
            "elsewhere: --layout LAYOUT --env ENV)",
        )
    config = train.to_dict()
    held_out = held_out_demos.held_out(facts.root, train.dataset.eval_split)
    plan = Plan(
        options=options,
        facts=facts,
        conventions=conventions,
        target=gate.choose_target(facts.root, preset.target),
        content_hash=fingerprint,
        keys=setup.keys,
        config=config,
        reasons=setup.reasons,
        norm={kind: mode.value for kind, mode in train.policy.normalization_mapping.items()},
        start=_start(options, setup.weights, checkpoint),
        downloads=downloads,
        device=device,
        device_bytes=device_bytes(device),
        memory=memory,
        cache=cache,
        gpus=gpus(),
        first_step=checkpoint.step if checkpoint else 0,
        minutes=checkpoint.run.get("minutes") if checkpoint else options.minutes,
        expected=expected(facts.frames - held_out[1], conventions, train.batch_size, network_of(config["policy"])),
        held_out=held_out,
    )
    tokenizer = str(options.tokenizer.resolve()) if options.tokenizer else ""
    return Prepared(plan, train, setup.weights, checkpoint, tokenizer)


def check_output(options: FinetuneOptions) -> None:
    """Refuse a folder that cannot be written, is trained in, or holds something that nobody said to remove.

    Raises
    ------
    UsageError
        It does.

    """
    output = options.output
    writable_folder(output, "--output", beside=True)
    refuse_in_dataset(output, "--output", "run")
    if rank() > 0:
        return
    check_no_training(output)
    if options.resume or not output.exists() or not any(output.iterdir()):
        return
    another = options.command(output="runs/ANOTHER", overwrite=False)
    if not (output / CHECKPOINTS).is_dir() and not (output / TRAIN_LOG).is_file():
        raise UsageError(f"--output {output} holds something else than a training", fix=another)
    init = Path(options.init) if options.init and options.loads_weights else None
    check_spared(output, "--output", {"the dataset": options.dataset, "the policy": init}, fix=another)
    if not options.overwrite:
        raise _exists(options, another)
    check_nothing_else(output, "a run", is_own)


def _exists(options: FinetuneOptions, another: str) -> UsageError:
    if resume.newest(options.output) is None:
        said = f"{options.output} exists already, without a checkpoint to go on from: --overwrite removes it"
        return UsageError(said, fix=another, change={"--output": "runs/ANOTHER"})
    return UsageError(
        f"{options.output} exists already: --resume goes on with it, --overwrite removes it, another --output keeps it",
        fix=options.command(resume=True),
        change={"--init": None, "--resume": True},
    )


def _start(options: FinetuneOptions, weights: Any, checkpoint: resume.Checkpoint | None) -> str:
    if checkpoint is not None:
        return f"going on from {checkpoint.folder}"
    how = "LoRA adapters on " if options.lora else ""
    if weights is not None:
        return f"{how}weights of {weights.where}"
    if get_preset(options.policy).init:
        return f"{how}RANDOM weights: a test of the pipeline, not a policy"
    return "from scratch"
