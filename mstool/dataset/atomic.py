"""Replace files all at once or not at all."""

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mstool.errors import DataError


def replace_json(documents: Mapping[Path, object]) -> tuple[Path, ...]:
    """Write JSON documents: all to temporary files beside their targets first, then each renamed over its target.

    A reader sees the old file or the new one, never a part; a full disk or a value that JSON has no word for (NaN)
    stops everything before the first target changes.

    Raises
    ------
    DataError
        A file cannot be written.

    """
    ready: list[tuple[str, Path]] = []
    try:
        for path, document in documents.items():
            text = json.dumps(document, indent=2, allow_nan=False) + "\n"
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
            ready.append((name, path))
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files only their owner can read: give a new file what the old one had.
            Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        for name, path in ready:
            os.replace(name, path)  # noqa: PTH105
    except OSError as error:
        raise DataError(
            f"cannot write {error.filename or 'the statistics'}: {error.strerror}", fix="--output DIR writes elsewhere"
        ) from error
    finally:
        for name, _ in ready:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
    return tuple(documents)
