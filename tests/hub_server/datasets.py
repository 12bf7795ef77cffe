"""Small datasets made elsewhere, for what reads their pictures: one camera, colours that tell episode and time."""

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mstool.dataset.files import VALIDATION_FILE
from mstool.dataset.fingerprint import content_hash

LENGTHS = (5, 7)
FPS = 20
CAMERA = "observation.images.image"
TASK = "move the | cube"


def colour(episode: int, frame: int) -> tuple[int, int, int]:
    """Red tells the episode, green the time."""
    return 200 * episode + 20, 30 * frame + 20, 60


def picture(episode: int, frame: int) -> np.ndarray[Any, Any]:
    return np.full((48, 64, 3), colour(episode, frame), dtype=np.uint8)


def make_v30(root: Path, *, storage: str = "video") -> Path:
    """Write a v3.0 dataset."""
    columns = _columns()
    frames = [(e, t) for e, length in enumerate(LENGTHS) for t in range(length)]
    schema: dict[str, Any] = {name: _list(values) for name, values in columns.items()}
    if storage == "image":
        schema[CAMERA] = pa.array([{"bytes": _png(e, t), "path": None} for e, t in frames])
    _write_table(root / "data/chunk-000/file-000.parquet", schema)
    rows, first = [], 0
    for episode, length in enumerate(LENGTHS):
        row = {"episode_index": episode, "tasks": [TASK], "length": length}
        row |= {"data/chunk_index": 0, "data/file_index": 0}
        row |= {"dataset_from_index": first, "dataset_to_index": first + length}
        if storage == "video":
            row |= {f"videos/{CAMERA}/chunk_index": 0, f"videos/{CAMERA}/file_index": 0}
            row |= {f"videos/{CAMERA}/from_timestamp": first / FPS}
            row |= {f"videos/{CAMERA}/to_timestamp": (first + length) / FPS}
        row |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        rows.append(row)
        first += length
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), root / "meta/episodes/chunk-000/file-000.parquet")
    if storage == "video":
        _video(root / f"videos/{CAMERA}/chunk-000/file-000.mp4", frames)
    pd.DataFrame({"task_index": [0]}, index=pd.Index([TASK], name="task")).to_parquet(root / "meta/tasks.parquet")
    (root / "meta/stats.json").write_text(json.dumps(_stats(columns)))
    info = _info("v3.0", storage) | {"data_files_size_in_mb": 100, "video_files_size_in_mb": 200}
    info["data_path"] = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    if storage == "video":
        info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    (root / "meta/info.json").write_text(json.dumps(info, indent=2))
    return root


def make_v21(root: Path) -> Path:
    """Write a v2.1 dataset with videos."""
    columns, first = _columns(), 0
    lines = []
    for episode, length in enumerate(LENGTHS):
        part = {name: _list(values[first : first + length]) for name, values in columns.items()}
        _write_table(root / f"data/chunk-000/episode_{episode:06d}.parquet", part)
        path = root / f"videos/chunk-000/{CAMERA}/episode_{episode:06d}.mp4"
        _video(path, [(episode, t) for t in range(length)])
        lines.append({"episode_index": episode, "tasks": [TASK], "length": length})
        first += length
    meta = root / "meta"
    meta.mkdir()
    (meta / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (meta / "tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": TASK}) + "\n")
    (meta / "episodes_stats.jsonl").write_text(
        "".join(json.dumps({"episode_index": i, "stats": {}}) + "\n" for i in (0, 1))
    )
    info = _info("v2.1", "video")
    info["data_path"] = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    info["video_path"] = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    (root / "meta/info.json").write_text(json.dumps(info, indent=2))
    return root


def validate(root: Path, **changes: Any) -> None:
    """Let the verdict that `mstool validate` wrote hold for what the dataset is now, with `changes`."""
    path = root / VALIDATION_FILE
    verdict = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(verdict | {"content_hash": content_hash(root)}))


def _columns() -> dict[str, np.ndarray[Any, Any]]:
    total = sum(LENGTHS)
    noise = np.random.default_rng(0)
    frame = np.concatenate([np.arange(n) for n in LENGTHS])
    return {
        "observation.state": noise.standard_normal((total, 2)).astype(np.float32),
        "action": noise.standard_normal((total, 3)).astype(np.float32),
        "timestamp": (frame / FPS).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.repeat([0, 1], LENGTHS),
        "index": np.arange(total),
        "task_index": np.zeros(total, dtype=np.int64),
    }


def _info(version: str, storage: str) -> dict[str, Any]:
    features: dict[str, Any] = {
        CAMERA: {"dtype": storage, "shape": [48, 64, 3], "names": ["height", "width", "channels"]},
        "observation.state": {"dtype": "float32", "shape": [2], "names": ["x", "gripper"]},
        "action": {"dtype": "float32", "shape": [3], "names": ["dx", "dy", "gripper"]},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    }
    for name in ("frame_index", "episode_index", "index", "task_index"):
        features[name] = {"dtype": "int64", "shape": [1], "names": None}
    if storage == "video":
        features[CAMERA]["info"] = {"video.fps": FPS, "video.codec": "h264", "video.pix_fmt": "yuv444p"}
    return {
        "codebase_version": version,
        "robot_type": "panda",
        "total_episodes": len(LENGTHS),
        "total_frames": sum(LENGTHS),
        "total_tasks": 1,
        "chunks_size": 1000,
        "fps": FPS,
        "splits": {"train": "0:2"},
        "video_path": None,
        "features": features,
    }


def _stats(columns: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    stats = {}
    for name, values in columns.items():
        table = values.reshape(len(values), -1).astype(np.float64)
        stats[name] = {kind: getattr(table, kind)(axis=0).tolist() for kind in ("min", "max", "mean", "std")}
        stats[name] |= {f"q{q:02d}": np.quantile(table, q / 100, axis=0).tolist() for q in (1, 99)}
        stats[name]["count"] = [len(table)]
    stats[CAMERA] = {kind: [[[0.5]]] * 3 for kind in ("min", "max", "mean", "std")} | {"count": [sum(LENGTHS)]}
    return stats


def _list(values: np.ndarray[Any, Any]) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _write_table(path: Path, columns: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def _png(episode: int, frame: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(episode, frame)).save(buffer, "PNG")
    return buffer.getvalue()


def _video(path: Path, frames: list[tuple[int, int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "10", "g": "2", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.time_base = Fraction(1, FPS)
        for i, (episode, frame) in enumerate(frames):
            image = av.VideoFrame.from_ndarray(picture(episode, frame), format="rgb24")
            image.pts = i
            container.mux(stream.encode(image))
        container.mux(stream.encode())
