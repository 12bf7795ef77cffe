"""The records of datasets that a command wrote: looked at, and changed as a user's editor would."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mstool.dataset.files import RECORD_FILE

__all__ = ["as_version_0_1_1", "drop_record", "edited_record", "read_record"]


def read_record(root: Path) -> dict[str, Any]:
    """Return the record's entries as a file has them; empty where there is none."""
    own = root / RECORD_FILE
    if own.is_file():
        return json.loads(own.read_text(encoding="utf-8"))
    return json.loads((root / "meta" / "info.json").read_text(encoding="utf-8")).get("mstool", {})


@contextmanager
def edited_record(root: Path) -> Iterator[dict[str, Any]]:
    """Hand out the record to be changed, and write it back."""
    record = read_record(root)
    yield record
    (root / RECORD_FILE).write_text(json.dumps(record, indent=2), encoding="utf-8")


def drop_record(root: Path) -> None:
    """Leave the dataset as LeRobot's own tools leave it: without what mstool said of it."""
    (root / RECORD_FILE).unlink()


def as_version_0_1_1(root: Path) -> Path:
    """Turn a dataset into what version 0.1.1 wrote of it: numbers as text, and the record in `info.json`."""
    path = root / "meta" / "info.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    for feature in info["features"].values():
        if (video := feature.get("info")) is not None:
            for name in ("video.fast_decode", "video.video_backend", "video.extra_options"):
                del video[name]
            text = {name: str(video[name]) for name in ("video.g", "video.crf")}
            video |= {"is_depth_map": False, "video.is_depth_map": False, **text, "video.encoder": "libx264"}
    path.write_text(json.dumps(info | {"mstool": read_record(root)}, indent=2), encoding="utf-8")
    drop_record(root)
    return root
