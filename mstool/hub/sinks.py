"""Where downloaded bytes go: a file that is kept when the run ends, or a hash only."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class PartSink:
    """A file that goes on where it ended; every byte that came is handed to the system before the next is awaited.

    The SHA-256 is computed on the way: of what is there at the beginning by reading it, of the rest as it comes.
    """

    def __init__(self, path: Path, on_bytes: Callable[[int], object]) -> None:
        self._file = path.open("a+b", buffering=0)
        self._on_bytes = on_bytes
        self._file.seek(0)
        self.digest = hashlib.file_digest(self._file, "sha256")
        self.size = self._file.tell()
        on_bytes(self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Append."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.digest.update(data)
        self.size += len(data)
        self._on_bytes(len(data))

    def restart(self) -> None:
        """Empty the file."""
        self._file.truncate(0)
        self._on_bytes(-self.size)
        self.digest, self.size = hashlib.sha256(), 0


class HashSink:
    """Bytes of which only the SHA-256 and the number are kept."""

    def __init__(self, on_bytes: Callable[[int], object]) -> None:
        self.digest, self.size, self._on_bytes = hashlib.sha256(), 0, on_bytes

    def write(self, data: bytes) -> None:
        """Hash."""
        self.digest.update(data)
        self.size += len(data)
        self._on_bytes(len(data))

    def restart(self) -> None:
        """Begin a new hash."""
        self._on_bytes(-self.size)
        self.digest, self.size = hashlib.sha256(), 0
