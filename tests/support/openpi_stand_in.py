"""Modules with the names and dataclass fields of openpi's, for a script that registers its training configs.

Field names and defaults are those of openpi at commit 15a9616: `models/pi0_config.py`, `training/config.py`,
`training/optimizer.py`, `training/weight_loaders.py`, `transforms.py`. What the fields do is not here.
"""

import dataclasses
import pathlib
import types
from typing import Any


@dataclasses.dataclass(frozen=True)
class Pi0Config:
    dtype: str = "bfloat16"
    paligemma_variant: str = "gemma_2b"
    action_expert_variant: str = "gemma_300m"
    action_dim: int = 32
    action_horizon: int = 50
    max_token_len: Any = None
    pi05: bool = False
    discrete_state_input: Any = None
    pytorch_compile_mode: Any = "max-autotune"

    def __post_init__(self):
        for name, value in (("max_token_len", 200 if self.pi05 else 48), ("discrete_state_input", self.pi05)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def get_freeze_filter(self):
        return f"freeze {self.paligemma_variant} {self.action_expert_variant}"


@dataclasses.dataclass(frozen=True)
class DataTransformFn:
    pass


@dataclasses.dataclass(frozen=True)
class Group:
    inputs: Any = ()
    outputs: Any = ()

    def push(self, *, inputs=(), outputs=()):
        return Group(inputs=(*self.inputs, *inputs), outputs=(*outputs, *self.outputs))


@dataclasses.dataclass(frozen=True)
class DeltaActions(DataTransformFn):
    mask: Any


@dataclasses.dataclass(frozen=True)
class AbsoluteActions(DataTransformFn):
    mask: Any


def make_bool_mask(*dims):
    return tuple(on > 0 for on in dims for _ in range(abs(on)))


@dataclasses.dataclass(frozen=True)
class AssetsConfig:
    assets_dir: Any = None
    asset_id: Any = None


@dataclasses.dataclass(frozen=True)
class DataConfig:
    repo_id: Any = None
    asset_id: Any = None
    norm_stats: Any = None
    repack_transforms: Any = dataclasses.field(default_factory=Group)
    data_transforms: Any = dataclasses.field(default_factory=Group)
    model_transforms: Any = dataclasses.field(default_factory=Group)
    use_quantile_norm: bool = False
    action_sequence_keys: Any = ("actions",)
    prompt_from_task: bool = False
    rlds_data_dir: Any = None
    action_space: Any = None
    datasets: Any = ()


@dataclasses.dataclass(frozen=True)
class LeRobotDROIDDataConfig:
    repo_id: Any = None
    assets: AssetsConfig = dataclasses.field(default_factory=AssetsConfig)
    base_config: Any = None

    def create(self, assets_dirs, model_config):
        return dataclasses.replace(
            self.base_config,
            repo_id=self.repo_id,
            asset_id=self.assets.asset_id or self.repo_id,
            norm_stats=pathlib.Path(self.assets.assets_dir or assets_dirs) / (self.assets.asset_id or self.repo_id),
            data_transforms=Group(inputs=("inputs",), outputs=("outputs",)),
            use_quantile_norm=model_config.pi05,
        )


@dataclasses.dataclass(frozen=True)
class LeRobotLiberoDataConfig(LeRobotDROIDDataConfig):
    extra_delta_transform: bool = False


@dataclasses.dataclass(frozen=True)
class CheckpointWeightLoader:
    params_path: str


@dataclasses.dataclass(frozen=True)
class CosineDecaySchedule:
    warmup_steps: int = 1_000
    peak_lr: float = 2.5e-5
    decay_steps: int = 30_000
    decay_lr: float = 2.5e-6


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    name: str
    project_name: str = "openpi"
    exp_name: Any = None
    model: Any = dataclasses.field(default_factory=Pi0Config)
    weight_loader: Any = None
    pytorch_weight_path: Any = None
    pytorch_training_precision: str = "bfloat16"
    lr_schedule: Any = dataclasses.field(default_factory=CosineDecaySchedule)
    optimizer: Any = None
    ema_decay: Any = 0.99
    freeze_filter: Any = None
    data: Any = None
    assets_base_dir: str = "./assets"
    checkpoint_base_dir: str = "./checkpoints"
    seed: int = 42
    batch_size: int = 32
    num_workers: int = 2
    num_train_steps: int = 30_000
    log_interval: int = 100
    save_interval: int = 1000
    keep_period: Any = 5000
    overwrite: bool = False
    resume: bool = False
    wandb_enabled: bool = True
    policy_metadata: Any = None
    fsdp_devices: int = 1

    @property
    def assets_dirs(self):
        return (pathlib.Path(self.assets_base_dir) / self.name).resolve()

    @property
    def checkpoint_dir(self):
        return (pathlib.Path(self.checkpoint_base_dir) / self.name / self.exp_name).resolve()


SCRIPTS = {
    "train": "import sys\ndef main(config):\n    print('TRAIN', config.name, config.num_train_steps, sys.argv)\n",
    "compute_norm_stats": "def main(config_name, max_frames=None):\n    print('STATS', config_name)\n",
    "serve_policy": """
import dataclasses

@dataclasses.dataclass
class Checkpoint:
    config: str
    dir: str

@dataclasses.dataclass
class Args:
    env: str = "aloha_sim"
    default_prompt: str | None = None
    port: int = 8000
    record: bool = False
    policy: object = None

def main(args):
    print("SERVE", args)
""",
}


def modules(checkout: pathlib.Path) -> dict[str, types.ModuleType]:
    """Make a checkout of stand-ins below `checkout`: {module name: module}, to be put into `sys.modules`."""
    (checkout / "src" / "openpi").mkdir(parents=True)
    (checkout / "scripts").mkdir()
    for name, text in SCRIPTS.items():
        (checkout / "scripts" / f"{name}.py").write_text(text)
    registry: dict[str, TrainConfig] = {"debug": TrainConfig("debug")}

    def cli():
        import sys

        return registry[sys.argv[1]]

    def module(name, **contents):
        made = types.ModuleType(name)
        vars(made).update(contents)
        return made

    root = module("openpi", __file__=str(checkout / "src" / "openpi" / "__init__.py"), __path__=[])
    training = module(
        "openpi.training.config",
        AssetsConfig=AssetsConfig,
        DataConfig=DataConfig,
        TrainConfig=TrainConfig,
        LeRobotLiberoDataConfig=LeRobotLiberoDataConfig,
        LeRobotDROIDDataConfig=LeRobotDROIDDataConfig,
        _CONFIGS=list(registry.values()),
        _CONFIGS_DICT=registry,
        cli=cli,
    )
    every = {
        "openpi": root,
        "openpi.models": module("openpi.models", __path__=[]),
        "openpi.models.pi0_config": module("openpi.models.pi0_config", Pi0Config=Pi0Config),
        "openpi.training": module("openpi.training", __path__=[]),
        "openpi.training.config": training,
        "openpi.training.optimizer": module("openpi.training.optimizer", CosineDecaySchedule=CosineDecaySchedule),
        "openpi.training.weight_loaders": module(
            "openpi.training.weight_loaders", CheckpointWeightLoader=CheckpointWeightLoader
        ),
        "openpi.transforms": module(
            "openpi.transforms",
            DataTransformFn=DataTransformFn,
            Group=Group,
            DeltaActions=DeltaActions,
            AbsoluteActions=AbsoluteActions,
            make_bool_mask=make_bool_mask,
        ),
    }
    for name, made in every.items():
        parent, _, leaf = name.rpartition(".")
        if parent:
            setattr(every[parent], leaf, made)
    return every
