"""Going on with a run: which checkpoint, and whether it belongs to this dataset and policy."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mstool.dataset.files import read_object
from mstool.errors import DataError, UsageError
from mstool.training.checkpoint_sidecar import read_run
from mstool.training.logs import quiet
from mstool.training.options import FinetuneOptions
from mstool.training.presets import get_preset, network_of
from mstool.training.run_folder import CHECKPOINTS, LAST, MODEL, STATE

# What LeRobot's config of a checkpoint does not know of a run, and the run's facts do.
TAKEN_OVER = ("eval_freq", "eval_episodes")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint to go on from."""

    # .../checkpoints/<step>
    folder: Path
    step: int

    @property
    def model(self) -> Path:
        """The folder of weights, configs and processors."""
        return self.folder / MODEL

    @cached_property
    def run(self) -> dict[str, Any]:
        """What is kept beside it of its run."""
        return read_run(self.model)


def newest(output: Path) -> Checkpoint | None:
    """Return the newest complete checkpoint of a run: `last` if it is there, else the highest step."""
    folder = output / CHECKPOINTS
    candidates = sorted((path for path in folder.glob("*") if path.name.isdigit()), reverse=True)
    for path in [folder / LAST, *candidates]:
        complete = (path / MODEL / "train_config.json").is_file() and (path / STATE / "training_step.json").is_file()
        if complete and path.resolve().name.isdigit():
            real = path.resolve()
            return Checkpoint(output / CHECKPOINTS / real.name, int(real.name))
    return None


def find(options: FinetuneOptions, content_hash: str) -> Checkpoint:
    """Return the checkpoint that `--resume` goes on from.

    Parameters
    ----------
    options
        Where the run is.
    content_hash
        Fingerprint of the dataset.

    Raises
    ------
    UsageError
        There is none, or it is of another policy.
    DataError
        It was trained on another dataset, or what is kept of its run cannot be read.

    """
    checkpoint = newest(options.output)
    if checkpoint is None:
        raise UsageError(
            f"{options.output}: no checkpoint to go on from; without --resume the run starts",
            fix=options.command(resume=False),
            change={"--resume": None},
        )
    run = checkpoint.run
    if run.get("policy") not in {None, options.policy}:
        raise UsageError(
            f"{checkpoint.folder} is a {run['policy']} policy, not {options.policy}",
            fix=options.command(policy=run["policy"]),
        )
    if run.get("dataset_hash") not in {None, content_hash} and not options.force:
        raise DataError(
            f"{checkpoint.folder} was trained on {run.get('dataset')} with content {run['dataset_hash'][:12]}, "
            f"{options.dataset} has content {content_hash[:12]}: its normalisation and its place in the data would "
            "be wrong",
            fix=f"give the same dataset, or start anew with --init {checkpoint.model} --output ANOTHER",
        )
    return checkpoint


def taken_over(options: FinetuneOptions, checkpoint: Checkpoint) -> FinetuneOptions:
    """Return the options of a run that goes on: how it is evaluated is as it was where nothing else is given."""
    names = [] if options.save_every else [name for name in TAKEN_OVER if getattr(options, name) is None]
    taken: dict[str, Any] = {name: checkpoint.run.get(name) for name in names}
    return replace(options, **taken)


def load(options: FinetuneOptions, checkpoint: Checkpoint, device: str) -> Any:
    """Read a checkpoint's `TrainPipelineConfig` and change what the command line changes.

    Raises
    ------
    UsageError
        Nothing is left to train, or the weights under the adapters are gone.

    """
    from lerobot.configs.train import TrainPipelineConfig

    adapter = checkpoint.model / "adapter_config.json"
    if adapter.is_file() and not read_object(adapter, fix="start from --init PATH").get("base_model_name_or_path"):
        raise UsageError(
            f"{checkpoint.folder} holds LoRA adapters on random weights, which are gone", fix="start from --init PATH"
        )
    # It looks for torchcodec whatever decoder the checkpoint names, and warns at length where there is none.
    with quiet("lerobot.utils.import_utils"):
        train = TrainPipelineConfig.from_pretrained(checkpoint.model)
    train.resume = True
    train.output_dir = options.output
    train.checkpoint_path = checkpoint.folder
    train.dataset.root = str(options.dataset.resolve())
    train.policy.device = device
    train.policy.pretrained_path = checkpoint.model
    changed = _changed(options, checkpoint, train)
    _check_end(options, checkpoint, train.steps, changed)
    if changed:
        without = _without(options, changed)
        words = ", ".join(without["change"])
        raise UsageError(f"--resume goes on as {checkpoint.folder} was trained: {words} cannot change", **without)
    asked = {
        "steps": options.steps,
        "batch_size": options.batch_size,
        "num_workers": options.num_workers,
        "save_freq": options.eval_freq or options.save_every,
        "log_freq": options.log_every,
        "seed": options.seed,
    }
    for name, value in asked.items():
        if value is not None:
            setattr(train, name, value)
    return train


def _check_end(options: FinetuneOptions, checkpoint: Checkpoint, steps: int, changed: list[str]) -> None:
    """Refuse a run that has ended, and the other kind of end: a run's learning rate falls towards its own.

    A run of `--minutes` ends with them, and one of `--steps` at its last step, which `--steps` may put elsewhere.
    What `changed` and cannot is in no fix that resumes.
    """
    minutes = checkpoint.run.get("minutes")
    other = options.steps if minutes else options.minutes
    # On from its weights, which say the network's size too.
    until = {} if other else {"minutes": minutes}
    anew = options.command(resume=False, init=str(options.output), output="runs/ANOTHER", **until)
    if minutes and checkpoint.run.get("seconds", 0.0) >= 60 * minutes:
        raise UsageError(f"{checkpoint.folder} was trained for its {minutes:g} minutes: nothing is left", fix=anew)
    last = steps if minutes or options.steps is None else options.steps
    if last <= checkpoint.step:
        raise UsageError(
            f"{checkpoint.folder} is at step {checkpoint.step} and the run ends at step {last}: nothing is left",
            fix=anew if other else options.command(**dict.fromkeys(changed), steps=2 * checkpoint.step),
        )
    if other:
        name, end = ("steps", f"{minutes:g} minutes") if minutes else ("minutes", f"{steps} steps")
        raise UsageError(
            f"{checkpoint.folder} is of a run of {end}, and --resume goes on until these are over: without --{name}",
            **_without(options, [name, *changed]),
        )


def _without(options: FinetuneOptions, names: list[str]) -> dict[str, Any]:
    """Return an error's `fix` and `change`: the command without these options."""
    words = ["--" + name.replace("_", "-") for name in names]
    return {"fix": options.command(**dict.fromkeys(names)), "change": dict.fromkeys(words)}


def _changed(options: FinetuneOptions, checkpoint: Checkpoint, train: Any) -> list[str]:
    """Return the options that a run that goes on cannot change, and that do; the same value again does not."""
    policy = train.policy
    fixed = {
        "lr": getattr(policy, "optimizer_lr", None),
        "chunk_size": getattr(policy, get_preset(options.policy).chunk_field, None),
        "head": getattr(policy, "head", None),
        "network": network_of(train.to_dict()["policy"]),
        "image_size": next(iter(getattr(policy, "image_size", ())), None),
        "minutes": checkpoint.run.get("minutes"),
        "eval_split": train.dataset.eval_split,
        "lora": train.peft is not None,
        "wandb": train.wandb.enable,
    }
    given = {name: getattr(options, name) for name in fixed}
    return [name for name, value in given.items() if value not in (None, fixed[name]) and value is not False]
