"""The script that `mstool finetune --engine openpi` writes: openpi and the standard library, nothing else.

`@NAME@` is replaced by a Python literal. openpi's `scripts/` are its entry points; they are imported from the checkout
that the environment's `openpi` belongs to, so that nothing in it is edited and the worker processes of its data loader
find everything they need.
"""

SCRIPT = '''\
"""@TITLE@

Run it in openpi's environment, from openpi's folder:

    uv run @PATH@ list
    uv run @PATH@ train [CONFIG] [openpi's own options, such as --exp-name=first --resume]
    uv run @PATH@ serve [CONFIG] [--dir CHECKPOINT] [--port 8000]
    uv run @PATH@ norm-stats [CONFIG]

The last is not needed: assets/ holds exact ones, and openpi decodes every image to compute its own over them.

Where the dataset has moved: MANISKILL_DATASET=/its/new/place uv run ...
"""

import argparse
import dataclasses
import importlib.util
import os
import shlex
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATASET = Path(os.environ.get("MANISKILL_DATASET", @DATASET@)).resolve()
# openpi asks LeRobot for a dataset by name, and LeRobot looks below this folder.
os.environ["HF_LEROBOT_HOME"] = str(DATASET.parent)
# As openpi's README says: JAX may take this share of the GPU's memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.9")

try:
    import openpi
except ModuleNotFoundError:
    again = shlex.join([str(Path(__file__).resolve()), *sys.argv[1:]])
    sys.exit(f"openpi is not in this Python's environment; from openpi's folder: uv run {again}")
import openpi.models.pi0_config as pi0_config  # noqa: E402
import openpi.training.config as training  # noqa: E402
import openpi.training.optimizer as optimizer  # noqa: E402
import openpi.training.weight_loaders as weight_loaders  # noqa: E402
import openpi.transforms as transforms  # noqa: E402

ASSET_ID = @ASSET_ID@
DEFAULT_CONFIG = @DEFAULT_CONFIG@
EXPERIMENT = "run"
# Actions per window; at @FPS@ Hz this is @SECONDS@ s.
HORIZON = @HORIZON@
STEPS = @STEPS@
BATCH_SIZE = @BATCH_SIZE@
PEAK_LR = @PEAK_LR@
SEED = @SEED@
WANDB = @WANDB@
# Pi0.5 reads the state as text in the prompt, as in its pretraining. openpi's own pi05_libero says False: that model
# sees no state at all, images and prompt alone.
DISCRETE_STATE_INPUT = @DISCRETE@
WEIGHTS = @WEIGHTS@
# Told to every client that connects to `serve`.
METADATA = @METADATA@

@DATA_CLASS@

def make_config(name, *, pi05, lora):
    switches = {"discrete_state_input": DISCRETE_STATE_INPUT} if pi05 else {}
    if lora:
        switches |= {"paligemma_variant": "gemma_2b_lora", "action_expert_variant": "gemma_300m_lora"}
    model = pi0_config.Pi0Config(pi05=pi05, action_horizon=HORIZON, **switches)
    # LoRA as in pi0_libero_low_mem_finetune: language model and action expert are frozen but for their adapters.
    trained = {"freeze_filter": model.get_freeze_filter(), "ema_decay": None} if lora else {}
    return training.TrainConfig(
        name=name,
        exp_name=EXPERIMENT,
        model=model,
        data=@DATA_NAME@(
            repo_id=DATASET.name,
            assets=training.AssetsConfig(asset_id=ASSET_ID),
            base_config=training.DataConfig(prompt_from_task=True),
        ),
        weight_loader=weight_loaders.CheckpointWeightLoader(WEIGHTS["pi05" if pi05 else "pi0"]),
        lr_schedule=optimizer.CosineDecaySchedule(
            warmup_steps=max(1, min(1000, STEPS // 10)), peak_lr=PEAK_LR, decay_steps=STEPS, decay_lr=PEAK_LR / 10
        ),
        assets_base_dir=str(HERE / "assets"),
        checkpoint_base_dir=str(HERE / "checkpoints"),
        seed=SEED,
        batch_size=BATCH_SIZE,
        num_train_steps=STEPS,
        wandb_enabled=WANDB,
        policy_metadata=METADATA,
        **trained,
    )


CONFIGS = {
    name: make_config(name, pi05=pi05, lora=lora)
    for name, pi05, lora in @CONFIGS@
}


def register():
    for name, config in CONFIGS.items():
        if name not in training._CONFIGS_DICT:
            training._CONFIGS.append(config)
            training._CONFIGS_DICT[name] = config


register()


def openpi_script(name):
    """Import one of the checkout's scripts as a module."""
    path = Path(openpi.__file__).resolve().parents[2] / "scripts" / f"{name}.py"
    if not path.is_file():
        sys.exit(f"{path} is not there: run this in the environment of an openpi checkout (git clone, uv sync)")
    spec = importlib.util.spec_from_file_location(f"openpi_script_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def check(config):
    if not (DATASET / "meta" / "info.json").is_file():
        sys.exit(f"no dataset at {DATASET}: say where it is with MANISKILL_DATASET=FOLDER")
    stats = config.assets_dirs / ASSET_ID / "norm_stats.json"
    if not stats.is_file():
        sys.exit(f"{stats} is missing: copy the folder assets/ along with this script")


def last_checkpoint(config):
    steps = [folder for folder in config.checkpoint_dir.glob("*") if folder.name.isdigit()]
    if not steps:
        sys.exit(f"no checkpoint in {config.checkpoint_dir}: train first, or name one with --dir")
    return str(max(steps, key=lambda folder: int(folder.name)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["list", "train", "serve", "norm-stats"])
    parser.add_argument("config", nargs="?", default=DEFAULT_CONFIG, choices=list(CONFIGS))
    parser.add_argument("--dir", help="serve: a checkpoint's folder; by default the last one")
    parser.add_argument("--port", type=int, default=8000, help="serve: the port")
    options, rest = parser.parse_known_args()
    if rest and options.command != "train":
        parser.error(f"unknown: {' '.join(rest)}")
    config = CONFIGS[options.config]
    if options.command == "list":
        for name, each in CONFIGS.items():
            print(f"{name}{' (default)' if name == DEFAULT_CONFIG else ''}\\n    {each.model}")
    elif options.command == "train":
        check(config)
        sys.argv = ["train", config.name, *rest]
        openpi_script("train").main(training.cli())
    elif options.command == "norm-stats":
        openpi_script("compute_norm_stats").main(config.name)
    else:
        serve = openpi_script("serve_policy")
        policy = serve.Checkpoint(config=config.name, dir=options.dir or last_checkpoint(config))
        serve.main(serve.Args(policy=policy, port=options.port))


if __name__ == "__main__":
    main()
'''

# For actions that openpi's own data configs do not cover: of another width, or absolute joint positions.
DATA_CLASS = '''
@dataclasses.dataclass(frozen=True)
class KeepActions(transforms.DataTransformFn):
    """Give back as many of the model's action dimensions as the dataset has."""

    dims: int

    def __call__(self, data):
        return {"actions": data["actions"][..., : self.dims]}


@dataclasses.dataclass(frozen=True)
class ManiskillData(training.@BASE@):
    """openpi's data config with @ACTION_DIMS@ actions@DELTA_WORDS@."""

    def create(self, assets_dirs, model_config):
        made = super().create(assets_dirs, model_config)
        group = transforms.Group(inputs=made.data_transforms.inputs, outputs=[KeepActions(@ACTION_DIMS@)])
@DELTA_LINES@        return dataclasses.replace(made, data_transforms=group)

'''
DELTA_LINES = """\
        mask = transforms.make_bool_mask(*@DELTA@)
        group = group.push(inputs=[transforms.DeltaActions(mask)], outputs=[transforms.AbsoluteActions(mask)])
"""
