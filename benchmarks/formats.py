"""Sizes and times of both formats and both storages, for one task from one replay.

    python benchmarks/formats.py [--env PickCube-v1] [--episodes 4] [--image-size 256]

Replays and renders the demos once, then writes v3.0 and v2.1, each with videos and with images, from the same shards;
exports the v3.0 dataset to v2.1 and back; and reads 200 random frames of each with lerobot's (v3.0) or its own decoder.
Writes `benchmarks/results/formats.json` and `.md`. Two minutes on two cores.
"""

import argparse
import io
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mstool.cli.output import table
from mstool.contract import Storage, Version
from mstool.maniskill2lerobot.demos import DemoSource, open_demos
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import shard_path
from mstool.maniskill2lerobot.executors.job import ConvertJob, ConvertWorker
from mstool.maniskill2lerobot.options import make_recipe
from mstool.maniskill2lerobot.report import video_quality
from mstool.maniskill2lerobot.rewrite.merge_export import export
from mstool.maniskill2lerobot.rewrite.stored import data_path, open_stored, video_path
from mstool.maniskill2lerobot.writers.assemble import assemble
from mstool.maniskill2lerobot.writers.episodes import Episode

HERE = Path(__file__).parent
DEMOS = HERE.parent / "tests" / "data" / "demos"
READS = 200
VERSIONS: tuple[Version, ...] = ("v3.0", "v2.1")
STORAGES: tuple[Storage, ...] = ("video", "image")
NOTE = (
    "`write` makes the dataset from finished shards (rows, pictures, metadata, exact statistics); replaying and "
    "rendering, done once for all, is listed below. `read` is a random frame of every camera, decoded: lerobot 0.6.1 "
    "(PyAV) for v3.0; for v2.1, whose reader cannot be installed beside it, the same decoders without a dataset around "
    "them, so the two are not to be compared with each other."
)
# What is exported to what: source dataset, format, storage (None: as it is), in words.
EXPORTS: tuple[tuple[str, Version, Storage | None, str], ...] = (
    ("v3.0-video", "v2.1", None, "v3.0 video -> v2.1 video"),
    ("v2.1-video", "v3.0", None, "v2.1 video -> v3.0 video"),
    ("v2.1-image", "v3.0", "video", "v2.1 image -> v3.0 video (encoded)"),
    ("v3.0-video", "v2.1", "image", "v3.0 video -> v2.1 image (decoded)"),
)


def size_mb(root: Path, pattern: str = "*") -> float:
    """Megabytes (10^6 bytes) of all files below `root`."""
    return sum(path.stat().st_size for path in root.rglob(pattern) if path.is_file()) / 1e6


def read_v3(root: Path) -> float:
    """Milliseconds per random frame through LeRobotDataset."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("local/bench", root=root, video_backend="pyav")
    chosen = random.Random(0).choices(range(len(dataset)), k=READS)
    _ = dataset[0]
    started = time.perf_counter()
    for index in chosen:
        _ = dataset[index]
    return 1e3 * (time.perf_counter() - started) / READS


def read_v21(root: Path) -> float:
    """Milliseconds per random frame: the parquet row's PNGs, or the videos decoded from the key frame before it."""
    import av
    import pyarrow.parquet as pq

    stored = open_stored(root)
    views = list(stored.record.views)
    tables = [pq.read_table(data_path(stored, i)) for i in range(len(stored.rows))]
    draw = random.Random(0)
    started = time.perf_counter()
    for _ in range(READS):
        episode = draw.randrange(len(tables))
        frame = draw.randrange(tables[episode].num_rows)
        for view in views:
            if stored.storage == "image":
                cell = tables[episode].column(view)[frame].as_py()
                np.asarray(Image.open(io.BytesIO(cell["bytes"])))
                continue
            with av.open(str(video_path(stored, episode, view))) as container:
                stream = container.streams.video[0]
                container.seek(int(frame / stored.fps / stream.time_base), stream=stream)
                for picture in container.decode(stream):
                    if picture.time is not None and picture.time >= frame / stored.fps - 1e-4:
                        picture.to_ndarray(format="rgb24")
                        break
    return 1e3 * (time.perf_counter() - started) / READS


def play(folder: Path, recipe: Recipe, source: DemoSource, count: int) -> tuple[list[Episode], float]:
    """Replay, render and encode once, both ways; return the kept episodes and the seconds it took."""
    worker = ConvertWorker()
    started = time.monotonic()
    episodes = []
    for position in range(count):
        shard = shard_path(folder / "shards", position)
        mark = worker.do(ConvertJob(source.demos.path, position, recipe, shard))
        if not mark.dropped:
            episodes.append(Episode.of(shard, mark, recipe))
    worker.close()
    return episodes, time.monotonic() - started


def write(folder: Path, episodes: list[Episode], source: DemoSource) -> list[dict[str, Any]]:
    """Write and read every combination of format and storage; one row each."""
    frames = sum(episode.mark.frames for episode in episodes)
    work = folder / "work"
    rows: list[dict[str, Any]] = []
    for version in VERSIONS:
        for storage in STORAGES:
            root = folder / f"{version}-{storage}"
            work.mkdir(exist_ok=True)
            started = time.monotonic()
            assemble(episodes, root, work, {version: storage}, [source.describe()], {}, overwrite=False)
            seconds = time.monotonic() - started
            rows.append(
                {
                    "format": version,
                    "pictures": storage,
                    "MB": round(size_mb(root), 2),
                    "kB/frame": round(1e3 * size_mb(root) / frames, 1),
                    "files": sum(path.is_file() for path in root.rglob("*")),
                    "write s": round(seconds, 2),
                    "read ms": round(read_v3(root) if version == "v3.0" else read_v21(root), 1),
                }
            )
    return rows


def measure_exports(folder: Path) -> dict[str, float]:
    """Return seconds per kind of export."""
    seconds = {}
    for number, (source, version, storage, words) in enumerate(EXPORTS):
        started = time.monotonic()
        export(folder / source, folder / f"export-{number}", version=version, storage=storage)
        seconds[words] = round(time.monotonic() - started, 2)
    return seconds


def main() -> int:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="PickCube-v1")
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--image-size", default="256")
    options = parser.parse_args()
    recipe = make_recipe(options.env, image_size=options.image_size, storages=STORAGES)
    source = open_demos(options.env, str(DEMOS / options.env), episodes=options.episodes, seed=0, notify=print)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        episodes, replayed = play(folder, recipe, source, options.episodes)
        rows = write(folder, episodes, source)
        exported = measure_exports(folder)
    frames = sum(episode.mark.frames for episode in episodes)
    height, width = recipe.image_size
    document = {
        "env_id": options.env,
        "episodes": len(episodes),
        "frames": frames,
        "raw_mb": round(frames * len(recipe.cameras) * height * width * 3 / 1e6, 1),
        "replay_seconds": round(replayed, 1),
        "min_psnr_db": {view: round(value["min"], 1) for view, value in video_quality(episodes).items()},
        "rows": rows,
        "export_seconds": exported,
    }
    views = f"{len(recipe.cameras)} x {height}x{width}"
    facts = [
        f"{options.env}: {len(episodes)} episodes, {frames} frames at {views}, {document['raw_mb']} MB of raw pixels",
        f"replay, rendering and both encoders, one process: {replayed:.1f} s, {1e3 * replayed / frames:.0f} ms a frame",
        f"videos: lowest PSNR per view {document['min_psnr_db']} dB; images lose nothing",
        *(f"export {way}: {seconds:.2f} s" for way, seconds in exported.items()),
    ]
    shown = table(rows, list(rows[0]))
    print(shown, *facts, sep="\n")
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "formats.json").write_text(json.dumps(document, indent=2) + "\n")
    lines = "\n".join(f"* {fact}" for fact in facts)
    (results / "formats.md").write_text(f"# Formats and storages\n\n{NOTE}\n\n```\n{shown}\n```\n\n{lines}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
