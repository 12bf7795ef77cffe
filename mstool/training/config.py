"""From options and preset to LeRobot's own config objects."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lerobot.configs import PreTrainedConfig
from lerobot.configs.default import DatasetConfig, PeftConfig, WandBConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies.factory import make_policy_config
from lerobot.utils.feature_utils import dataset_to_policy_features

from mstool.dataset.training import ACTION, Facts
from mstool.errors import DataError, UsageError
from mstool.training import held_out_demos
from mstool.training import keys as key_map
from mstool.training.checkpoint_sidecar import CONFIG_FILE, read_part
from mstool.training.clock import MOST_STEPS
from mstool.training.keys import InputKeys
from mstool.training.logs import quiet
from mstool.training.machine import default_workers, video_backend
from mstool.training.options import FinetuneOptions
from mstool.training.presets import NETWORKS, Preset
from mstool.training.weights import Weights

_LOGS = 50  # lines of progress of a whole run
_CHECKPOINTS = 4
_TIMED_LOG = 20  # steps between lines where nothing says how many there will be
_WARMUP, _COSINE = 500, 30_000  # steps, of all of LeRobot's presets


@dataclass(frozen=True)
class TrainingSetup:
    """A run's LeRobot config and what was decided on the way."""

    train: TrainPipelineConfig
    keys: InputKeys
    weights: Weights | None
    # Sentences about values of the preset: name, value, why.
    reasons: tuple[tuple[str, Any, str], ...]


def build(
    options: FinetuneOptions, preset: Preset, facts: Facts, device: str, weights: Weights | None
) -> TrainingSetup:
    """Resolve everything that `lerobot.scripts.lerobot_train.train` needs.

    Weights that are missing are planned for as LeRobot's own config of the policy says.

    Raises
    ------
    UsageError
        Values that the policy's config refuses.
    DataError
        The dataset or the weights do not fit.

    """
    register()
    values, reasons = _values(options, preset, scratch=weights is None)
    policy = _policy(options, preset, weights, values, device)
    keys = _keys(preset, facts, policy, weights)
    norm = {kind: mode.value for kind, mode in policy.normalization_mapping.items()}
    max_dims = getattr(policy, "max_state_dim", None)
    shapes = {key: feature.shape for key, feature in (policy.input_features or {}).items()} if weights else {}
    key_map.check(facts, keys, shapes, norm, max_dims)
    if weights is None or weights.missing:
        features = dataset_to_policy_features(dict(facts.features))
        policy.output_features = {ACTION: features[ACTION]}
        policy.input_features = {
            keys.mapped[key]: feature for key, feature in features.items() if key in keys.mapped and key != ACTION
        }
    if weights is not None:
        policy.pretrained_path = Path(weights.where)
    steps = MOST_STEPS if options.minutes else options.steps or preset.steps.value
    train = TrainPipelineConfig(
        dataset=DatasetConfig(
            repo_id=f"local/{options.dataset.resolve().name}",
            root=str(options.dataset.resolve()),
            video_backend=video_backend(),
            eval_split=held_out_demos.choose(options, lambda: held_out_demos.demos_of_tasks(facts.root)),
        ),
        policy=policy,
        output_dir=options.output,
        job_name=f"{preset.policy}-{options.dataset.resolve().name}",
        seed=options.seed if options.seed is not None else 0,
        num_workers=options.num_workers if options.num_workers is not None else default_workers(),
        batch_size=options.batch_size or preset.batch_size.value,
        steps=steps,
        env_eval_freq=0,
        log_freq=options.log_every or (_TIMED_LOG if options.minutes else max(1, steps // _LOGS)),
        save_freq=options.eval_freq
        or options.save_every
        or (steps if options.minutes else max(1, steps // _CHECKPOINTS)),
        wandb=WandBConfig(enable=options.wandb, project="mstool", disable_artifact=True),
        peft=_peft(preset) if options.lora else None,
        rename_map=dict(keys.renamed) if weights else {},
    )
    return TrainingSetup(train, keys, weights, tuple(reasons))


def resumed(train: TrainPipelineConfig, facts: Facts) -> TrainingSetup:
    """Describe a run that goes on: its config is the checkpoint's."""
    back = {new: old for old, new in train.rename_map.items()}
    features = [*(train.policy.input_features or {}), *(train.policy.output_features or {})]
    mapped = {back.get(name, name): name for name in features if back.get(name, name) in facts.features}
    empty = tuple(name for name in features if name not in mapped.values())
    return TrainingSetup(train, InputKeys(mapped, dict(train.rename_map), empty), None, ())


def register() -> None:
    """Make the bundled policy known to LeRobot."""
    import mstool.training.flow  # noqa: F401


def _values(
    options: FinetuneOptions, preset: Preset, *, scratch: bool
) -> tuple[dict[str, Any], list[tuple[str, Any, str]]]:
    chunk = options.chunk_size or preset.chunk.value
    lr = options.lr or preset.lr.value
    steps = options.steps or preset.steps.value
    values: dict[str, Any] = {name: value.value for name, value in preset.training.items()}
    network = NETWORKS.get(options.network or "", {})
    if scratch:
        values |= {name: value.value for name, value in {**preset.architecture, **network}.items()}
    if scratch or preset.any_chunk:
        values |= {
            preset.chunk_field: chunk,
            "n_action_steps": min(preset.n_action_steps.value, chunk if chunk < 2 else max(1, chunk // 2)),
        }
        if preset.policy == "diffusion":
            # LeRobot's rule for windows that would be mostly padding, configuration_diffusion.py: drop_n_last_frames.
            values["drop_n_last_frames"] = max(0, chunk - values["n_action_steps"] - 1)
    values |= {"optimizer_lr": lr}
    if options.lr and "optimizer_lr_backbone" in values:
        values["optimizer_lr_backbone"] = lr
    # LeRobot shrinks warm-up and cosine to a shorter run, never stretches them: optim/schedulers.py.
    if preset.policy == "diffusion":
        values["scheduler_warmup_steps"] = min(_WARMUP, steps // 10)
    elif preset.policy != "act":
        values["scheduler_decay_steps"] = max(_COSINE, steps)
    if preset.policy in {"pi05", "smolvla"}:
        values["scheduler_decay_lr"] = lr / 10
    if options.head is not None:
        values["head"] = options.head
    if options.image_size is not None:
        values["image_size"] = (options.image_size, options.image_size)
    reasons = [
        ("minutes", options.minutes, "as asked; the learning rate's schedule is fitted to them")
        if options.minutes
        else ("steps", steps, preset.steps.why if options.steps is None else "as asked"),
        (
            "batch_size",
            options.batch_size or preset.batch_size.value,
            preset.batch_size.why if options.batch_size is None else "as asked",
        ),
        ("optimizer_lr", lr, preset.lr.why if options.lr is None else "as asked"),
    ]
    if preset.chunk_field in values:
        reasons += [
            (preset.chunk_field, chunk, preset.chunk.why if options.chunk_size is None else "as asked"),
            ("n_action_steps", values["n_action_steps"], preset.n_action_steps.why),
        ]
    whys = {**preset.training, **({**preset.architecture, **network} if scratch else {})}
    reasons += [(name, values[name], value.why) for name, value in whys.items()]
    values |= dict(options.overrides)
    return values, reasons


def _policy(
    options: FinetuneOptions, preset: Preset, weights: Weights | None, values: dict[str, Any], device: str
) -> PreTrainedConfig:
    common: dict[str, Any] = {"device": device, "push_to_hub": False}
    try:
        if weights is None or weights.missing:
            return make_policy_config(preset.policy, **values, **common)
        if weights.hub is None:
            read_part(Path(weights.where), CONFIG_FILE)
        with quiet("lerobot.configs.policies"):
            config = PreTrainedConfig.from_pretrained(weights.where)
    except (TypeError, ValueError, FileNotFoundError) as error:
        where = f" of {weights.where}" if weights else ""
        raise UsageError(f"{preset.policy}'s config{where}: {error}", fix="mstool finetune --help") from error
    if config.type != preset.policy:
        raise UsageError(
            f"--init {options.init}: holds a {config.type} policy, not {preset.policy}",
            fix=f"--policy {config.type}, or other weights",
        )
    known = {field.name for field in fields(config)}
    modes = {"normalization_mapping": make_policy_config(preset.policy, device=device).normalization_mapping}
    unknown = sorted(set(values) - known)
    if unknown:
        raise DataError(f"the config in {weights.where} has no {', '.join(unknown)}")
    return replace(config, **{**modes, **values, **common, "pretrained_path": None})


def _keys(preset: Preset, facts: Facts, policy: PreTrainedConfig, weights: Weights | None) -> InputKeys:
    if weights is None:
        keys = key_map.from_scratch(facts)
        if preset.camera_slots:
            # Empty pictures for the rest, as the pretrained policy sees them, so that random weights cost the same.
            empty = max(0, len(preset.camera_slots) - len(facts.cameras))
            policy.empty_cameras = empty
            keys = replace(keys, empty=tuple(f"observation.images.empty_camera_{i}" for i in range(empty)))
        return keys
    slots = [key for key, feature in (policy.input_features or {}).items() if feature.type.value == "VISUAL"]
    return key_map.onto(facts, slots or list(preset.camera_slots) or list(facts.cameras))


def _peft(preset: Preset) -> PeftConfig:
    return PeftConfig(
        target_modules=preset.lora_targets,
        full_training_modules=list(preset.lora_full),
        r=preset.lora_rank,
        lora_alpha=preset.lora_rank,
    )
