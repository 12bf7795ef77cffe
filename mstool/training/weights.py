"""Pretrained weights and tokenizers: where they are, what is missing, and whether loading them did what it says."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.names import check_repo_id
from mstool.errors import DataError, UsageError, WrongWordError
from mstool.hub_files import HubFiles, find_files, offline
from mstool.nearest import folder_beside
from mstool.training.options import RANDOM, FinetuneOptions
from mstool.training.presets import Preset
from mstool.training.resume import newest

_NEEDED = ("config.json", "model.safetensors", "policy_preprocessor.json")
# PaliGemma has one table for reading and for writing words; a file may hold it under the second name alone.
_EMBEDDINGS, _HEAD = "embed_tokens.weight", "paligemma.lm_head.weight"
_ROWS = 64


@dataclass(frozen=True)
class Weights:
    """Where a policy's weights come from: a local folder, or a name on a hub."""

    where: str
    # None for a local folder.
    hub: HubFiles | None = None

    @property
    def missing(self) -> str:
        """Why they cannot be loaded, "" where they can."""
        return self.hub.missing if self.hub else ""


def find_weights(options: FinetuneOptions, preset: Preset) -> Weights | None:
    """Return what to start from, None for weights drawn at random.

    A run's folder stands for its newest checkpoint. A name on a hub is looked for in the local cache and, unless
    HF_HUB_OFFLINE is set, on the hub; whether it is there is for the plan to say.

    Raises
    ------
    DataError
        A local folder lacks files.
    UsageError
        Neither a folder nor a name.

    """
    init = options.init or preset.init
    if init in {"", RANDOM}:
        return None
    folder = Path(init).expanduser()
    run = newest(folder)
    folder = run.model if run else folder
    if folder.is_dir():
        missing = [name for name in _NEEDED if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"--init {init}: lacks {', '.join(missing)}, which a run's folder has, or its pretrained_model",
                fix=options.command(init=None),
                change={"--init": None},
            )
        return Weights(str(folder.resolve()))
    try:
        check_repo_id(init)
    except UsageError as error:
        raise _unusable(f"--init {init}: no such folder, and no OWNER/NAME on a hub", options) from error
    if folder_beside(folder, newest) is not None:
        raise _unusable(f"--init {init}: no such folder", options)
    return Weights(init, find_files(init, _NEEDED, gigabytes=preset.init_gb if init == preset.init else 0.0))


def _unusable(said: str, options: FinetuneOptions) -> UsageError:
    """Name the run that was meant; where there is none, the command begins without weights."""
    init = str(options.init)
    meant = folder_beside(Path(init).expanduser(), newest)
    if meant is None:
        said += f"; without --init it starts as {options.policy} does by default"
        return UsageError(said, fix=options.command(init=None), change={"--init": None})
    return WrongWordError(
        f"{said}; did you mean {meant}?", given=init, instead=str(meant), fix=options.command(init=str(meant))
    )


def find_companion(options: FinetuneOptions, preset: Preset) -> HubFiles | None:
    """Look for what the policy reads from a hub beside its weights; None where that is nothing, or given."""
    if preset.companion is None or options.tokenizer is not None:
        return None
    return find_files(
        preset.companion.name, preset.companion.files, gigabytes=preset.companion.gb, only=preset.companion.only
    )


@contextmanager
def at_hub(downloads: Sequence[HubFiles]) -> Iterator[None]:
    """Ask the hub only where it has something that is not on this machine yet, and would give it."""
    if any(not files.cached and not files.missing for files in downloads):
        yield
        return
    with offline():
        yield


def check_loaded(policy: Any, weights: Weights) -> str:
    """Compare a policy in memory with the file that it was loaded from; return what was compared.

    LeRobot's pi05 goes on with random weights when it cannot load them, with a line of text as its only sign. Of every
    tensor the first rows are compared.

    Raises
    ------
    DataError
        A tensor differs, or the embeddings that a file without them ties to `lm_head.weight` do.

    """
    import torch
    from huggingface_hub import hf_hub_download
    from safetensors import safe_open

    path = None if weights.hub else Path(weights.where) / "model.safetensors"
    file = str(path) if path else hf_hub_download(weights.where, "model.safetensors")
    own = dict(policy.named_parameters())
    compared, tied = 0, ""
    with safe_open(file, framework="pt") as stored:
        keys = {key.removeprefix("model."): key for key in stored.keys()}  # noqa: SIM118  # not a dict
        for name, parameter in own.items():
            key = keys.get(name.removeprefix("model."))
            if key is None and name.endswith(_EMBEDDINGS):
                key = next((key for key in keys.values() if key.endswith(_HEAD)), None)
                tied = f", {_EMBEDDINGS} = {_HEAD}"
            if key is None:
                continue
            there = stored.get_slice(key)[:_ROWS] if parameter.dim() else stored.get_tensor(key)
            if not torch.equal(there.to(parameter.dtype), parameter.detach()[:_ROWS].cpu()):
                raise DataError(
                    f"{name} is not what {file} holds as {key}: the policy was not loaded as it was trained",
                    fix="use weights that LeRobot 0.6.1 saved, or lerobot/pi05_base",
                )
            compared += 1
    if not compared:
        raise DataError(f"{file}: none of its tensors is in the policy", fix="use weights that LeRobot 0.6.1 saved")
    return f"{compared} tensors compared with {file}{tied}"
