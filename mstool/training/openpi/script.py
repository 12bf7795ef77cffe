"""Fill the script in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.training.openpi.differences import WEIGHTS
from mstool.training.openpi.recipe import POLICIES, OpenpiRecipe
from mstool.training.openpi.template import DATA_CLASS, DELTA_LINES, SCRIPT


@dataclass(frozen=True)
class Choices:
    """What the user decides about a run. Defaults: openpi's pi05_droid_finetune, which is made for small datasets."""

    policy: str = "pi05"
    lora: bool = False
    steps: int = 20_000
    batch_size: int = 32
    peak_lr: float = 2.5e-5
    seed: int = 42
    wandb: bool = False
    # Whether Pi0.5 sees the state.
    discrete_state_input: bool = True
    # Weights other than openpi's base model: `.../params` of a checkpoint, local or gs://.
    init: str | None = None


def render(recipe: OpenpiRecipe, choices: Choices, path: Path) -> str:
    """Return the script's text; `path` is where it will be."""
    weights = WEIGHTS | ({choices.policy: choices.init} if choices.init else {})
    values: dict[str, Any] = {
        "DATASET": str(recipe.root),
        "ASSET_ID": recipe.root.name,
        "DEFAULT_CONFIG": recipe.config_name(choices.policy, lora=choices.lora),
        "HORIZON": recipe.horizon,
        "STEPS": choices.steps,
        "BATCH_SIZE": choices.batch_size,
        "PEAK_LR": choices.peak_lr,
        "SEED": choices.seed,
        "WANDB": choices.wandb,
        "DISCRETE": choices.discrete_state_input,
        "WEIGHTS": weights,
        "METADATA": metadata(recipe),
        "CONFIGS": [
            (recipe.config_name(policy, lora=lora), policy == "pi05", lora)
            for policy in POLICIES
            for lora in (False, True)
        ],
    }
    words = {
        "TITLE": f"Fine-tune openpi's Pi0.5 and Pi0 on {recipe.root.name}. Written by mstool.",
        "PATH": str(path.resolve()),
        "FPS": str(recipe.fps),
        "SECONDS": f"{recipe.horizon / recipe.fps:g}",
        "DATA_CLASS": "" if recipe.plain else _data_class(recipe),
        "DATA_NAME": f"training.{recipe.use.data_config}" if recipe.plain else "ManiskillData",
    }
    return _fill(SCRIPT, words | {name: repr(value) for name, value in values.items()})


def metadata(recipe: OpenpiRecipe) -> dict[str, Any]:
    """Return what openpi's server tells of itself, so that `mstool eval` notices a policy of another layout."""
    return {
        "mstool": {
            "dataset": recipe.root.name,
            "layout": recipe.layout,
            "control_mode": recipe.control_mode,
            "fps": recipe.fps,
            "action_dims": recipe.action_dims,
        }
    }


def _data_class(recipe: OpenpiRecipe) -> str:
    words = {
        "BASE": recipe.use.data_config,
        "ACTION_DIMS": str(recipe.action_dims),
        "DELTA_WORDS": ", joints as differences from the state" if recipe.delta else "",
        "DELTA_LINES": _fill(DELTA_LINES, {"DELTA": repr(recipe.delta)}) if recipe.delta else "",
    }
    return _fill(DATA_CLASS, words)


def _fill(text: str, words: dict[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text
