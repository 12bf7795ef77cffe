"""Ways to change a small v3.0 dataset of one file per kind, as an editor or another tool would."""

import json
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mstool.norm_stats.output import write_exact_stats

GOLDEN = Path(__file__).parent.parent / "golden" / "validate_data"
DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
BASE = "videos/observation.images.image/chunk-000/file-000.mp4"
WRIST = "videos/observation.images.image2/chunk-000/file-000.mp4"


def edit_info(root, change):
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def edit_table(path, change):
    """Change a parquet file's columns as numpy arrays (N, D), keeping schema and metadata."""
    table = pq.read_table(path)
    columns = {}
    for name in table.column_names:
        values = table[name].combine_chunks().to_pylist()
        columns[name] = np.array(values) if isinstance(values[0], int | float) else np.array(values, dtype=object)
        if isinstance(values[0], list) and isinstance(values[0][0], float):
            columns[name] = np.array(values, dtype=np.float32)
    change(columns)
    arrays = [pa.array(columns[f.name].tolist(), type=f.type) for f in table.schema if f.name in columns]
    schema = pa.schema([f for f in table.schema if f.name in columns], table.schema.metadata)
    pq.write_table(pa.table(arrays, schema=schema), path)


def edit_rows(root, change):
    """Change data rows and bring all statistics in step, so that statistics' checks have nothing to say."""
    edit_table(root / DATA, change)
    refresh(root)


def refresh(root):

    rows = pq.read_table(root / DATA).to_pandas()
    episodes = pq.read_table(root / EPISODES)
    listed = episodes.to_pylist()
    for line in listed:
        part = rows[rows.episode_index == line["episode_index"]]
        for column in ("observation.state", "action"):
            values = np.stack(part[column]).astype(np.float64)
            line[f"stats/{column}/min"] = values.min(0).tolist()
            line[f"stats/{column}/max"] = values.max(0).tolist()
            line[f"stats/{column}/mean"] = values.mean(0).tolist()
    pq.write_table(pa.Table.from_pylist(listed, schema=episodes.schema), root / EPISODES)
    write_exact_stats(root)


def edit_episodes(root, change):
    table = pq.read_table(root / EPISODES)
    rows = table.to_pylist()
    rows = change(rows) or rows
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), root / EPISODES)


def edit_video(path, change, rate=20):
    with av.open(str(path)) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    frames = change(frames)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=rate, options={"crf": "20", "g": "24", "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.time_base = "yuv444p", Fraction(1, rate)
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = i
            for packet in stream.encode(frame):
                target.mux(packet)
        for packet in stream.encode():
            target.mux(packet)


def truncate(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def undeclare(root):
    """Make it a dataset from elsewhere: no record, and other names."""
    shutil.rmtree(root / "meta/mstool")

    def forget(info):
        info.pop("mstool", None)
        for column, word in (("observation.state", "state"), ("action", "motor")):
            feature = info["features"][column]
            feature["names"] = [f"{word}_{i}" for i in range(feature["shape"][0])]

    edit_info(root, forget)
