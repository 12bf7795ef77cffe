"""One preset per policy: every value that is not LeRobot's own default, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mstool.nearest import unknown


@dataclass(frozen=True)
class Value:
    """A value of the policy's config, and a sentence that says why."""

    value: Any
    why: str


@dataclass(frozen=True)
class Companion:
    """What a policy reads from a hub beside its weights: a tokenizer, the model that it was built on."""

    name: str
    # Files of the repository that must be there.
    files: tuple[str, ...]
    # Options of `hf download` that leave out what is not needed, and the rest's size, GB.
    only: str = ""
    gb: float = 0.0


@dataclass(frozen=True)
class Preset:
    """How a policy is trained unless the user says otherwise."""

    policy: str
    summary: str
    steps: Value
    # Samples per step and GPU.
    batch_size: Value
    # Peak learning rate.
    lr: Value
    # Actions per window, and the field of the config that holds it.
    chunk: Value
    chunk_field: str = "chunk_size"
    # Actions executed before the policy looks again.
    n_action_steps: Value = field(default=Value(8, ""))
    # Values of the config that hold for every run.
    training: Mapping[str, Value] = field(default_factory=dict)
    # Values that decide the shape of the weights: only where none are loaded.
    architecture: Mapping[str, Value] = field(default_factory=dict)
    # Pretrained weights that a run starts from; "" trains from scratch.
    init: str = ""
    # Download of `init`, GB.
    init_gb: float = 0.0
    companion: Companion | None = None
    # Validation target of `mstool.validators` that its datasets must pass; "" takes the one that fits the dataset.
    target: str = ""
    # Whether windows of another length fit pretrained weights.
    any_chunk: bool = False
    # The cameras that pretrained weights know, in the order in which ours are given to them; the rest stays empty.
    camera_slots: tuple[str, ...] = ()
    # Trainable parts under --lora: a regular expression of modules with adapters, and modules trained in full.
    lora_targets: str | None = None
    lora_full: tuple[str, ...] = ()
    lora_rank: int = 16
    # Parameters that no loss reaches: neither gradients nor optimizer state. Beginnings or parts of their names.
    unused: tuple[str, ...] = ()
    # Memory per sample beside weights and optimizer, MiB: the policy's, and that of every 128x128 pixels of a camera.
    # flow, act, diffusion: benchmarks/sample_memory.py.
    sample_mib: float = 0.0
    camera_mib: float = 0.0


_SMALL_BATCH = "fits 24 GB by the estimate in memory.py"
_NO_DOWNLOAD = Value(None, "ResNet-18 from scratch: no download, and simulated images are unlike ImageNet's")

FLOW = Preset(
    policy="flow",
    summary="bundled flow matching policy, from scratch: the test that a dataset can be learnt",
    target="lerobot",
    steps=Value(20_000, "a choice: 12 epochs of 1,200 demos of 85 frames at this batch"),
    batch_size=Value(64, _SMALL_BATCH),
    lr=Value(4e-4, "AdamW from scratch at this size, cosine to almost 0"),
    chunk=Value(32, "1.6 s at 20 Hz: a whole reach or grasp in one consistent plan"),
    n_action_steps=Value(16, "half of the window, then the policy looks again: the far half is the less certain one"),
    sample_mib=17.0,
)

ACT = Preset(
    policy="act",
    summary="Action Chunking Transformer (LeRobot), from scratch",
    target="lerobot",
    steps=Value(50_000, "a choice, half of LeRobot's 100,000: compare checkpoints with mstool eval"),
    batch_size=Value(32, _SMALL_BATCH),
    lr=Value(
        5e-5, "a choice between LeRobot's 1e-5 for a batch of 8 and four times that for 32, as nothing is pretrained"
    ),
    chunk=Value(50, "half of LeRobot's 100: our episodes are 50 to 200 frames long"),
    n_action_steps=Value(25, "half of the window, then the policy looks again"),
    training={
        "optimizer_lr_backbone": Value(5e-5, "the backbone is trained from scratch: as fast as the rest"),
    },
    architecture={"pretrained_backbone_weights": _NO_DOWNLOAD},
    sample_mib=16.1,
    camera_mib=8.7,
)

DIFFUSION = Preset(
    policy="diffusion",
    summary="Diffusion Policy (LeRobot), from scratch",
    target="lerobot",
    steps=Value(50_000, "a choice, as for act: compare checkpoints with mstool eval"),
    batch_size=Value(64, _SMALL_BATCH),
    lr=Value(1e-4, "Diffusion Policy's own"),
    chunk=Value(16, "Diffusion Policy's own horizon; a multiple of 8, as its U-Net halves it three times"),
    chunk_field="horizon",
    n_action_steps=Value(8, "Diffusion Policy's own"),
    training={
        "noise_scheduler_type": Value("DDIM", "the same training; 10 instead of 100 steps at inference"),
        "num_inference_steps": Value(10, "a tenth of the time; Diffusion Policy's choice on real robots"),
    },
    architecture={
        "pretrained_backbone_weights": _NO_DOWNLOAD,
        "use_group_norm": Value(True, "Diffusion Policy's own; possible as nothing is pretrained"),
    },
    sample_mib=2.6,
    camera_mib=13.8,
)

SMOLVLA = Preset(
    policy="smolvla",
    summary="SmolVLA (LeRobot): a 450M vision-language-action model; its vision-language part stays frozen",
    target="lerobot_smolvla",
    steps=Value(20_000, "SmolVLA's own advice for fine-tuning"),
    batch_size=Value(64, "SmolVLA's own"),
    lr=Value(1e-4, "SmolVLA's own"),
    chunk=Value(50, "SmolVLA's own"),
    n_action_steps=Value(25, "half of the window, then the policy looks again"),
    init="lerobot/smolvla_base",
    init_gb=0.9,
    # `vlm_model_name` of lerobot 0.6.1, policies/smolvla/configuration_smolvla.py.
    companion=Companion(
        "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        gb=2.0,
    ),
    any_chunk=True,
    camera_slots=("observation.images.camera1", "observation.images.camera2", "observation.images.camera3"),
    # Not measured: its frozen part keeps nothing, its expert has a quarter of pi05's width.
    sample_mib=100.0,
)

_GEMMA = r"self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj"

PI05 = Preset(
    policy="pi05",
    summary="Pi0.5 (LeRobot): 3.6B vision-language-action model",
    target="lerobot_pi05",
    steps=Value(30_000, "openpi's pi05_libero"),
    batch_size=Value(8, "fits one GPU of 80 GB in full; openpi uses 256 over its GPUs"),
    lr=Value(2.5e-5, "openpi's default peak, AdamW, cosine to a tenth"),
    chunk=Value(50, "the window that pi05_base was trained with"),
    n_action_steps=Value(10, "half a second at 20 Hz, then the policy looks again"),
    training={
        "dtype": Value("bfloat16", "openpi's precision; float32 needs twice the memory"),
        "gradient_checkpointing": Value(
            True, "recomputes activations in the backward pass: slower, and a batch of 8 fits"
        ),
        "image_resolution": Value((224, 224), "SigLIP's; images are resized with padding"),
    },
    init="lerobot/pi05_base",
    init_gb=14.0,
    # LeRobot fixes this name: lerobot 0.6.1, policies/pi05/processor_pi05.py.
    companion=Companion(
        "google/paligemma-3b-pt-224",
        ("tokenizer.json", "tokenizer_config.json"),
        only="--include 'token*' --include 'special*'",
    ),
    any_chunk=True,
    camera_slots=(
        "observation.images.base_0_rgb",
        "observation.images.left_wrist_0_rgb",
        "observation.images.right_wrist_0_rgb",
    ),
    # Adapters where openpi's gemma_2b_lora and gemma_300m_lora have them: attention and feed-forward of both.
    lora_targets=rf".*\.(language_model|gemma_expert)\..*\.({_GEMMA})",
    lora_full=("action_in_proj", "action_out_proj", "time_mlp_in", "time_mlp_out"),
    unused=("lm_head",),
    # With gradient checkpointing: 34 GiB were seen at batch 8 in full, of which 30.7 are weights and optimizer.
    sample_mib=410.0,
)

# What the network of `flow` predicts.
HEADS = ("flow", "ddpm")

# How large that network is. What the small one solves: docs/tutorial.md.
_SMALL = "the small network: a tenth of the processor time per step"
NETWORKS: Mapping[str, Mapping[str, Value]] = {
    "base": {},
    "small": {
        "image_size": Value((64, 64), _SMALL),
        "shift_pixels": Value(3, "a twentieth of the picture, as with 128 pixels"),
        "backbone_width": Value(16, _SMALL),
        "width": Value(128, _SMALL),
        "action_layers": Value(3, _SMALL),
    },
}


def network_of(policy: Mapping[str, Any]) -> str | None:
    """Return the name of a `flow` policy's network, from its config as plain data; None of other policies."""
    if policy.get("type") != "flow":
        return None
    width = policy.get("backbone_width")
    return next((name for name, own in NETWORKS.items() if own and own["backbone_width"].value == width), "base")


PRESETS: Mapping[str, Preset] = {preset.policy: preset for preset in (FLOW, ACT, DIFFUSION, SMOLVLA, PI05)}


def get_preset(policy: str) -> Preset:
    """Look a policy up; UsageError for an unknown name, with the nearest known one."""
    if policy in PRESETS:
        return PRESETS[policy]
    raise unknown("policy", policy, PRESETS, "--policy")
