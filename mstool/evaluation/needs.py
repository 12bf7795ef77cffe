"""What a checkpoint needs beside its own files, known before anything is loaded: packages, and parts on a hub."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from mstool.errors import SetupError
from mstool.hub_files import find_files, offline
from mstool.installation import policy_packages, require


@contextmanager
def ready(folder: Path) -> Iterator[None]:
    """Check that a checkpoint can be loaded, and let it be loaded in the block without asking a hub for what is here.

    Raises
    ------
    SetupError
        A package is not installed, or a tokenizer or base model is neither here nor to be had.

    """
    config = _read(folder / "config.json")
    kind, adapters = str(config.get("type", "")), (folder / "adapter_config.json").is_file()
    require(f"{folder.name} of type {kind}", policy_packages(kind, adapters=adapters))
    parts = [find_files(name, [file]) for name, file in _elsewhere(folder, config)]
    missing = [part for part in parts if part.missing]
    if missing:
        raise SetupError(
            "\n  ".join(f"{folder} needs {part.name}: {part.missing}" for part in missing),
            fix="\n  ".join(part.download for part in missing),
        )
    with offline() if all(part.cached for part in parts) else nullcontext():
        yield


def _elsewhere(folder: Path, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the repositories that a checkpoint names, each with a file that stands for the rest."""
    steps = _read(folder / "policy_preprocessor.json").get("steps", [])
    named = {
        "tokenizer_config.json": [(step.get("config") or {}).get("tokenizer_name") for step in steps],
        "config.json": [
            config.get("vlm_model_name"),
            _read(folder / "adapter_config.json").get("base_model_name_or_path"),
        ],
    }
    for file, names in named.items():
        for name in names:
            if isinstance(name, str) and name.count("/") == 1 and not Path(name).is_dir():
                yield name, file


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
