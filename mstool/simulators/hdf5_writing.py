"""HDF5 written so that a full disk is an error: the library ends the process over what it holds and cannot write."""

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import h5py


class HeldFile(h5py.File):  # type: ignore[misc]
    """A new file that is held in memory until it is closed, and written whole then.

    Raises
    ------
    OSError
        When it is closed: the disk is full.

    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w", driver="core", backing_store=False)

    def close(self) -> None:
        """Write it, and give the memory back."""
        if not self:
            return
        self.flush()
        path, content = Path(self.filename), self.id.get_file_image()
        super().close()
        path.write_bytes(content)


def check_room(folder: Path, parts: Iterable[Path]) -> None:
    """Check that what is put together of files will fit into a folder.

    Raises
    ------
    OSError
        It will not: the disk is full.

    """
    if shutil.disk_usage(folder).free < sum(path.stat().st_size for path in parts):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
