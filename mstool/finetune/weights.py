"""Pretrained weights and tokenizers: where they are, what is missing, and whether loading them did what it says."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.errors import DataError, SetupError, UsageError
from mstool.finetune.options import RANDOM, Options
from mstool.finetune.presets import Preset
from mstool.finetune.resume import newest

# LeRobot fixes this name: lerobot 0.6.1, policies/pi05/processor_pi05.py.
PI05_TOKENIZER = "google/paligemma-3b-pt-224"
_NEEDED = ("config.json", "model.safetensors", "policy_preprocessor.json")
_MIRROR = "HF_ENDPOINT=https://MIRROR"
# PaliGemma has one table for reading and for writing words; a file may hold it under the second name alone.
_EMBEDDINGS, _HEAD = "embed_tokens.weight", "paligemma.lm_head.weight"
_ROWS = 64


@dataclass(frozen=True)
class Weights:
    """Where a policy's weights come from: a local folder, or a name on a hub."""

    where: str
    local: bool


def find_weights(options: Options, preset: Preset) -> Weights | None:
    """Return what to start from, None for weights drawn at random.

    A run's folder stands for its newest checkpoint. A name on a hub is looked for in the local cache and, unless
    HF_HUB_OFFLINE is set, on the hub.

    Raises
    ------
    DataError
        A local folder lacks files.
    SetupError
        Neither here nor to be had from the hub.

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
                f"--init {init}: lacks {', '.join(missing)}",
                fix=f"give a checkpoint's pretrained_model folder, or {download(preset.init or init, preset.init_gb)}",
            )
        return Weights(str(folder.resolve()), local=True)
    if init.startswith((".", "/", "~")) or init.count("/") != 1:
        raise UsageError(f"--init {init}: no such folder, and no OWNER/NAME on a hub", fix="--init PATH or OWNER/NAME")
    _find(init, _NEEDED[0], download(init, preset.init_gb))
    return Weights(init, local=False)


def find_tokenizer(options: Options) -> str:
    """Return the folder or name of pi05's tokenizer.

    Raises
    ------
    SetupError
        It is not here and cannot be fetched.

    """
    if options.tokenizer is None:
        _find(
            PI05_TOKENIZER,
            "tokenizer.json",
            f"{_MIRROR} hf download {PI05_TOKENIZER} --include 'token*' --include 'special*' "
            "(its licence must be accepted on the hub first), or --tokenizer DIR with a copy of it",
        )
        return PI05_TOKENIZER
    if not (options.tokenizer / "tokenizer_config.json").is_file():
        raise UsageError(
            f"--tokenizer {options.tokenizer}: no tokenizer_config.json", fix="give a folder that transformers can load"
        )
    return str(options.tokenizer.resolve())


def download(name: str, gigabytes: float) -> str:
    """Return the command that fetches weights through a mirror."""
    size = f" (about {gigabytes:.0f} GB)" if gigabytes else ""
    return f"{_MIRROR} hf download {name}{size}"


def _find(name: str, file: str, fix: str) -> None:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, file), str):
        return
    try:
        hf_hub_download(name, file)
    except Exception as error:  # every failure of the way to a hub means the same here
        server = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        why = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise SetupError(f"{name} is not on this machine, and {server} does not give it: {why}", fix=fix) from error


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

    path = Path(weights.where) / "model.safetensors" if weights.local else None
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
