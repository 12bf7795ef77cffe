"""What a checkpoint needs beside its own files, known before anything is loaded: packages, and parts on a hub."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mstool.errors import SetupError
from mstool.hub_files import checkpoint_parts, offline, read_json
from mstool.installation import policy_packages, require


@contextmanager
def ready(folder: Path) -> Iterator[None]:
    """Check that a checkpoint can be loaded, and let it be loaded in the block without asking a hub for what is here.

    Raises
    ------
    SetupError
        A package is not installed, or a tokenizer or base model is neither here nor to be had.

    """
    kind, adapters = str(read_json(folder / "config.json").get("type", "")), (folder / "adapter_config.json").is_file()
    require(f"{folder} of type {kind}", policy_packages(kind, adapters=adapters))
    parts = checkpoint_parts(folder)
    missing = [part for part in parts if part.missing]
    if missing:
        raise SetupError(
            "\n  ".join(f"{folder} needs {part.name}: {part.missing}" for part in missing),
            fix="\n  ".join(part.download for part in missing),
        )
    with offline() if all(part.cached for part in parts) else nullcontext():
        yield
