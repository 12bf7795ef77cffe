"""What a user asks of `mstool finetune`, and the command line that says it again."""

import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from mstool.training import arguments

CacheFrames = Literal["auto", "memory", "off"]
Engine = Literal["lerobot", "openpi"]

# Weights drawn at random although the policy has pretrained ones: for tests of the pipeline, never for results.
RANDOM = "random"


@dataclass(frozen=True)
class FinetuneOptions:
    """Every choice; None takes the preset's value, or on `--resume` the checkpoint's."""

    dataset: Path
    policy: str
    output: Path
    engine: str = "lerobot"
    # A local folder, a name on a hub, or "random".
    init: str | None = None
    # Folder of a tokenizer, for pi05 alone.
    tokenizer: Path | None = None
    steps: int | None = None
    # Train so long, the learning rate's schedule with it, whatever number of steps that is.
    minutes: float | None = None
    # Samples per step and GPU.
    batch_size: int | None = None
    lr: float | None = None
    # Actions per window.
    chunk_size: int | None = None
    head: str | None = None
    # How large `flow` is: a name in `presets.NETWORKS`.
    network: str | None = None
    # Side of the pictures that `flow` sees, pixels.
    image_size: int | None = None
    # How `flow` launches its passes on a GPU: `auto` as recorded CUDA graphs, `on` compiled by torch, `off` one by one.
    compile: str = "auto"
    lora: bool = False
    seed: int | None = None
    # Processes that load data, per GPU.
    num_workers: int | None = None
    save_every: int | None = None
    log_every: int | None = None
    # Share of each task's episodes that is not trained on and that checkpoints are judged by.
    eval_split: float | None = None
    # Steps between checkpoints that are evaluated, and episodes per task of each.
    eval_freq: int | None = None
    eval_episodes: int | None = None
    device: str | None = None
    cache_frames: str = "auto"
    wandb: bool = False
    resume: bool = False
    overwrite: bool = False
    force: bool = False
    dry_run: bool = False
    # Fields of the policy's config set directly, for tests: {"dim_model": 64}.
    overrides: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        arguments.check(self)

    @property
    def loads_weights(self) -> bool:
        """Whether `--init` names weights."""
        return self.init not in {None, RANDOM}

    def command(self, **changes: object) -> str:
        """Return the command line of these options, with `changes`; None, False and defaults are left out.

        With `resume=True` it goes on with the run of these options, whatever that started from.
        """
        words = ["mstool", "finetune", str(changes.pop("dataset", self.dataset))]
        if changes.get("resume"):
            changes = {"init": None, "overwrite": False, **changes}
        for field in fields(self):
            value = changes.get(field.name, getattr(self, field.name))
            if (
                field.name in {"dataset", "overrides", "dry_run"}
                or value is None
                or value is False
                or value == field.default
            ):
                continue
            words.append("--" + field.name.replace("_", "-"))
            if value is not True:
                words.append(str(value))
        return shlex.join(words)
