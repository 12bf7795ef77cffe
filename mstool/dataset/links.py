"""Symbolic links in a dataset: which lead to what is not of it."""

import os
from pathlib import Path

# A Hugging Face cache: `snapshots/<commit>/` is links to files in `blobs/` beside it.
_SNAPSHOTS, _BLOBS = "snapshots", "blobs"


def links_outside(root: Path) -> list[Path]:
    """Return the links in a dataset that lead out of it, to a folder, whose files no listing finds, or nowhere; sorted.

    A dataset's files are its own: those in its folder, and for a snapshot of a Hugging Face cache those that the cache
    keeps for it. What else a link leads to is read, as the owner of the machine put it there, and never sent.
    """
    here = Path(os.path.realpath(root))
    homes = [here, *([here.parent.parent / _BLOBS] if here.parent.name == _SNAPSHOTS else [])]
    links = sorted(path for path in root.rglob("*") if path.is_symlink())
    return [
        path for path in links if not path.is_file() or not any(target(path).is_relative_to(home) for home in homes)
    ]


def target(link: Path) -> Path:
    """Return where a link leads in the end; of links in a circle, one of them."""
    return Path(os.path.realpath(link))
