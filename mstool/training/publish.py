"""A checkpoint as others get it: bfloat16 weights, what they mean, a card; nothing of the machine that trained it."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from mstool.dataset.files import RESULTS_FILE
from mstool.dataset.target import refuse_around, refuse_in_dataset
from mstool.errors import DataError, UsageError
from mstool.folders import check_nothing_else, check_spared, replace_folder, writing_alone
from mstool.paths import behind_link, checkpoint_name, free_beside, quoted, writable_folder
from mstool.training.checkpoint_sidecar import CONFIG_FILE, RUN_FILE, read_part, read_run
from mstool.training.policy_card import policy_card
from mstool.training.presets import PRESETS

CARD = "README.md"
_ADAPTERS, _PREPROCESSOR = "adapter_config.json", "policy_preprocessor.json"
_READABLE = 0o644
_WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
# LeRobot's config of the training, which names folders of this machine, and the run's, of which the command does.
_TRAIN_CONFIG = "train_config.json"
# The flow policy is evaluated with the average of its weights; the others are for going on with the training.
_AVERAGE, _TRAINED = "average.", "model."


def publishable(
    model: Path, folder: Path, *, repo_id: str, license_: str | None, results: Mapping[str, Any] | None
) -> None:
    """Write what a model repository holds.

    Parameters
    ----------
    model
        A checkpoint's `pretrained_model`.
    folder
        An empty folder.
    repo_id, license_
        The repository's name, and its license where there is one.
    results
        An evaluation's, where there was one: for the card, and a file of their own.

    Raises
    ------
    DataError
        The checkpoint holds no weights, a file of it cannot be read, or they are adapters on weights of this machine.

    """
    weights = [model / name for name in _WEIGHTS if (model / name).is_file()]
    if not weights:
        raise DataError(f"{model} holds no weights ({' or '.join(_WEIGHTS)})", fix="mstool finetune DATASET")
    for path in weights:
        _as_bfloat16(path, folder / path.name)
    run = {name: value for name, value in read_run(model).items() if name != "command"}
    if "start" in run:  # older versions wrote where the weights were
        words = str(run["start"]).split(" ")
        run["start"] = " ".join(checkpoint_name(Path(word)) if _is_here(word) else word for word in words)
    left_out = {_TRAIN_CONFIG, CARD, RUN_FILE, RESULTS_FILE}
    for path in sorted(model.iterdir()):
        if path.is_file() and path not in weights and path.name not in left_out:
            shutil.copyfile(path, folder / path.name)
    _forget_folders(model, folder)
    for name, document in {RUN_FILE: run, RESULTS_FILE: results}.items():
        if document:
            _write(folder / name, document)
    (folder / CARD).write_text(policy_card(model, run, repo_id, license_, results), encoding="utf-8")


@dataclass(frozen=True)
class PolicyReport:
    """A checkpoint that was written as others get it."""

    root: Path
    size_bytes: int
    # Episodes of the evaluation in its card, None where there is none.
    evaluated: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"root": str(self.root), "size_bytes": self.size_bytes, "evaluated": self.evaluated}

    def text(self) -> str:
        """Return lines for a person."""
        where = quoted(self.root)
        results = "no evaluation" if self.evaluated is None else f"the results of {self.evaluated} episodes"
        return (
            f"wrote {where}: {self.size_bytes / 1e6:.0f} MB, bfloat16; its card has {results}\n"
            f"use it    mstool eval --policy {where}\npublish   mstool push {where} --repo-id OWNER/NAME"
        )


def export_policy(model: Path, output: Path, *, results: Mapping[str, Any] | None, overwrite: bool) -> PolicyReport:
    """Write a checkpoint into a folder as others get it; it appears whole or not at all.

    Parameters
    ----------
    model
        A checkpoint's `pretrained_model`.
    output
        The folder.
    results
        An evaluation's, where there was one.
    overwrite
        Replace the policy that is there.

    Raises
    ------
    UsageError
        The folder is taken, is read, or cannot be written.
    DataError
        The checkpoint holds no weights, or a file of it cannot be read.

    """
    refuse_around(output)
    writable_folder(output, "--output", beside=True)
    refuse_in_dataset(output, "--output", "policy")
    check_spared(output, "--output", {"the policy": model})
    if output.exists():
        if not overwrite:
            raise UsageError(
                f"{output} exists",
                fix="add --overwrite to replace it, or choose another --output",
                change={"--overwrite": True},
            )
        if any(output.iterdir()) and not (output / CONFIG_FILE).is_file():
            raise UsageError(
                f"{output} is not a policy, so --overwrite does not touch it",
                fix="choose another --output",
                change={"--output": free_beside(output)},
            )
        taken = {CARD, *(path.name for path in model.iterdir())}
        check_nothing_else(output, "a policy", lambda path: path.name in taken or _is_of_policy(path))
    with (
        writing_alone(output, "another export writes into"),
        tempfile.TemporaryDirectory(dir=behind_link(output).parent, prefix=f".{output.name}.") as work,
    ):
        built = Path(work) / "new"
        built.mkdir()
        publishable(model, built, repo_id=output.resolve().name, license_=None, results=results)
        replace_folder(built, output)
    evaluated = results["total"]["success_once"]["episodes"] if results else None
    return PolicyReport(output, sum(path.stat().st_size for path in output.iterdir()), evaluated)


def _is_of_policy(path: PurePath) -> bool:
    """Tell whether a file is of a kind that every policy has."""
    return path.suffix in {".json", *(PurePath(name).suffix for name in _WEIGHTS)}


def _forget_folders(model: Path, folder: Path) -> None:
    """Leave this machine's folders out of LeRobot's files: of weights that the training began with, of a tokenizer."""
    config = read_part(model, CONFIG_FILE)
    if _is_here(config.get("pretrained_path")):
        _write(folder / CONFIG_FILE, {**config, "pretrained_path": None})
    adapters = read_part(model, _ADAPTERS) if (model / _ADAPTERS).is_file() else {}
    base = adapters.get("base_model_name_or_path")
    if _is_here(base):
        raise DataError(
            f"these are adapters on the weights in {base}, which nobody else has",
            fix="train them on weights that a hub has: mstool finetune DATASET --lora --init OWNER/NAME",
        )
    preset = PRESETS.get(str(config.get("type")))
    if preset is None or preset.companion is None or not (model / _PREPROCESSOR).is_file():
        return
    document = read_part(model, _PREPROCESSOR)
    for step in document.get("steps", []):
        if _is_here(step.get("config", {}).get("tokenizer_name")):
            step["config"]["tokenizer_name"] = preset.companion.name
    _write(folder / _PREPROCESSOR, document)


def _is_here(name: object) -> bool:
    return isinstance(name, str) and Path(name).expanduser().is_absolute()


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _as_bfloat16(source: Path, target: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    try:
        tensors = load_file(source)
    except Exception as error:  # the library has its own, without a common class
        raise DataError(f"{source} cannot be read: {error}", fix="use another checkpoint of the run") from error
    if any(name.startswith(_AVERAGE) for name in tensors):
        tensors = {name: value for name, value in tensors.items() if not name.startswith(_TRAINED)}
    smaller = {n: v.to(torch.bfloat16) if v.is_floating_point() else v for n, v in tensors.items()}
    save_file(smaller, target, metadata={"format": "pt"})
    target.chmod(_READABLE)  # safetensors lets nobody else read it
