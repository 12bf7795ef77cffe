"""Configuration of the bundled policy, registered with LeRobot under the name `flow`."""

from dataclasses import dataclass, field

from lerobot.configs import NormalizationMode, PreTrainedConfig
from lerobot.optim import AdamWConfig, CosineDecayWithWarmupSchedulerConfig

from mstool.training.presets import HEADS

SAMPLERS = ("ode", "one-step", "best-of-n", "steered")


@PreTrainedConfig.register_subclass("flow")
@dataclass
class FlowConfig(PreTrainedConfig):  # type: ignore[misc]
    """What the policy looks like and how it is trained.

    The defaults are for 20 Hz manipulation with two cameras: a chunk of 32 actions is 1.6 s.

    Raises
    ------
    ValueError
        An unknown head, or more executed actions than predicted ones.

    """

    n_obs_steps: int = 1
    # Actions predicted at once, and how many of them are executed before the policy looks again.
    chunk_size: int = 32
    n_action_steps: int = 16
    # What the network predicts: `flow` the velocity of a straight path, `ddpm` the noise of a diffusion.
    head: str = "flow"
    # Steps of the sampler: Euler for `flow`, DDIM for `ddpm`.
    num_inference_steps: int = 10
    # How actions are drawn: `ode` as trained, or what `mstool improve` taught (`improved.py`): `one-step`, `best-of-n`
    # of so many candidates, `steered`.
    sampler: str = "ode"
    candidates: int = 8
    # Width of the hidden layers that this adds.
    sampler_hidden: int = 512
    # Noise levels of the diffusion that `ddpm` is trained on.
    num_train_timesteps: int = 100

    # Pictures are reduced to this (height, width) by averaging areas.
    image_size: tuple[int, int] = (128, 128)
    # Training shifts every picture by up to this many pixels and changes brightness and contrast by up to this share.
    shift_pixels: int = 6
    jitter: float = 0.1
    # Channels of the first stage of each camera's ResNet-18; the last has eight times as many.
    backbone_width: int = 64
    # Width, heads and depth of the transformers: over what is observed, and over the action chunk.
    width: int = 256
    num_heads: int = 4
    observation_layers: int = 2
    action_layers: int = 6
    # The instruction: words hashed into a table, at most so many of them.
    vocabulary: int = 2048
    max_words: int = 32
    # Noise draws per frame: the pictures are encoded once for all of them.
    noise_draws: int = 2
    # Share of the moving average of the weights kept at each step; evaluation uses the average.
    ema_decay: float = 0.999

    # Precision of the training's matrix products; `auto` is bfloat16 on a GPU.
    dtype: str = "auto"
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {
            "VISUAL": NormalizationMode.IDENTITY,
            "STATE": NormalizationMode.QUANTILES,
            "ENV": NormalizationMode.QUANTILES,
            "ACTION": NormalizationMode.QUANTILES,
        }
    )

    optimizer_lr: float = 4e-4
    optimizer_weight_decay: float = 1e-3
    scheduler_warmup_steps: int = 500
    scheduler_decay_steps: int = 30_000
    scheduler_decay_lr: float = 1e-6

    def __post_init__(self) -> None:
        """Resolve the precision and check what belongs together."""
        super().__post_init__()
        self.image_size = (int(self.image_size[0]), int(self.image_size[1]))
        if self.dtype == "auto":
            self.dtype = "bfloat16" if str(self.device).startswith("cuda") else "float32"
        if self.head not in HEADS:
            raise ValueError(f"head must be one of {', '.join(HEADS)}, not {self.head!r}")
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {self.sampler!r}")
        if not 0 < self.n_action_steps <= self.chunk_size:
            raise ValueError(f"n_action_steps must be 1 to chunk_size = {self.chunk_size}, not {self.n_action_steps}")

    def validate_features(self) -> None:
        """Check that there are pictures, a state and actions."""
        missing = [
            name
            for name, there in (
                ("a camera", self.image_features),
                ("observation.state", self.robot_state_feature),
                ("action", self.action_feature),
            )
            if not there
        ]
        if missing:
            raise ValueError(f"the flow policy needs {', '.join(missing)}, which the dataset does not have")

    def get_optimizer_preset(self) -> AdamWConfig:
        """AdamW with the betas that Pi0 is trained with."""
        return AdamWConfig(
            lr=self.optimizer_lr, betas=(0.9, 0.95), weight_decay=self.optimizer_weight_decay, grad_clip_norm=1.0
        )

    def get_scheduler_preset(self) -> CosineDecayWithWarmupSchedulerConfig:
        """Warm-up, then a cosine that ends with the training."""
        return CosineDecayWithWarmupSchedulerConfig(
            peak_lr=self.optimizer_lr,
            decay_lr=self.scheduler_decay_lr,
            num_warmup_steps=self.scheduler_warmup_steps,
            num_decay_steps=self.scheduler_decay_steps,
        )

    @property
    def observation_delta_indices(self) -> None:
        """The present frame alone."""
        return

    @property
    def action_delta_indices(self) -> list[int]:
        """The present action and those after it."""
        return list(range(self.chunk_size))

    @property
    def reward_delta_indices(self) -> None:
        """No rewards."""
        return
