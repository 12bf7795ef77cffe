"""Assembling many finished episodes: seconds and memory, for a quarter, a half and all of them.

    python benchmarks/assembly.py [--episodes 250 500 1000] [--frames 100] [--image-size 256]

Shards are synthetic: a few real videos of moving pictures are encoded once and linked into every shard, rows are random
walks. The real code makes a v3.0 dataset of them (rows, packets, metadata, exact statistics), each size in a process
of its own, whose peak memory is its own. lerobot opens each result and decodes frames of it. Writes
`benchmarks/results/assembly.json` and `.md`. Five minutes on two cores, three gigabytes of disk.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mstool.cli.output import table
from mstool.contract import Array
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import MARKER, EpisodeMark, read_mark, shard_path
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.video import VideoWriter
from mstool.maniskill2lerobot.writers.assemble import assemble
from mstool.maniskill2lerobot.writers.episodes import Episode

HERE = Path(__file__).parent
FPS = 20
# Different videos, in turn; episodes' frames are what costs, not that they differ.
VIDEOS = 4
FACTS = {"fps": FPS, "position_m": 0.1, "rotation_rad": -0.1, "joint_rad": 0.1}
FACTS |= {"finger_closed_m": -0.01, "finger_open_m": 0.04}
TARGET_SECONDS, TARGET_GIB = 60, 1.0


def picture(k: int, phase: float, size: int) -> Array:
    """Return frame k of a disc that crosses a shaded, grainy table, uint8 (size, size, 3)."""
    y, x = np.mgrid[0:size, 0:size] / size
    grain = np.random.default_rng(int(phase * 10)).normal(0, 3, (size, size, 1))
    image = np.stack([90 + 80 * x, 100 + 60 * y, 120 - 40 * x * y], axis=-1) + grain
    at = 0.2 + 0.6 * ((k / 100 + phase) % 1)
    image[(x - at) ** 2 + (y - 0.5 - 0.2 * np.sin(phase + k / 15)) ** 2 < 0.01] = (200, 30, 40)
    return image.clip(0, 255).astype(np.uint8)


def make_videos(folder: Path, recipe: Recipe, frames: int) -> list[EpisodeMark]:
    """Encode `VIDEOS` videos per view into `folder`/<number>; return the marker of each."""
    marks = []
    for number in range(VIDEOS):
        own = folder / str(number)
        own.mkdir(parents=True)
        histograms, psnr = {}, {}
        for j, view in enumerate(recipe.views):
            writer, histogram = VideoWriter(own / f"{view}.mp4", FPS), ImageHistogram()
            for k in range(frames):
                image = picture(k, number + 0.37 * j, recipe.image_size[0])
                writer.add(image)
                histogram.add(image)
            quality = writer.close()
            psnr[view] = asdict(quality)
            histograms[view] = histogram.counts.tolist()
        marks.append(
            EpisodeMark(
                "synthetic", number, number, frames, frames, robot="panda", controller=FACTS,
                histograms=histograms, psnr_db=psnr,
            )
        )  # fmt: skip
    return marks


def make_shards(work: Path, videos: Path, marks: list[EpisodeMark], recipe: Recipe, episodes: int) -> None:
    """Write shards as a conversion leaves them; the videos are links."""
    draw = np.random.default_rng(0)
    for position in range(episodes):
        number = position % VIDEOS
        shard, mark = shard_path(work, position), marks[number]
        shard.mkdir(parents=True)
        rows = {
            "state": draw.normal(size=(mark.frames, 8)).cumsum(axis=0).astype(np.float32) / 100,
            "action": draw.uniform(-1, 1, (mark.frames, 7)).astype(np.float32),
        }
        np.savez(shard / "rows.npz", **rows)
        for view in recipe.views:
            os.link(videos / str(number) / f"{view}.mp4", shard / f"{view}.mp4")
        (shard / MARKER).write_text(json.dumps(asdict(mark)))


def peak_gib() -> float:
    """Return this process's peak memory; `ru_maxrss` would be that of the process it was started from."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024**2


def assemble_once(work: Path, root: Path, recipe: Recipe, episodes: int) -> dict[str, float]:
    """Read the markers and assemble, as the end of `mstool convert` does; seconds and this process's peak memory."""
    before = peak_gib()
    started, busy = time.perf_counter(), time.process_time()
    shards = [shard_path(work, position) for position in range(episodes)]
    kept = [Episode.of(shard, mark, recipe) for shard in shards if (mark := read_mark(shard))]
    build = work.parent / "build"
    build.mkdir()
    demos = [{"env_id": recipe.env_id, "origin": "synthetic", "env_kwargs": {}}]
    assemble(kept, root, build, {"v3.0": "video"}, demos, {}, overwrite=False)
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu seconds": round(time.process_time() - busy, 1),
        "peak RSS GiB": round(peak_gib(), 2),
        "imports GiB": round(before, 2),
    }


def check(root: Path, episodes: int, frames: int) -> str:
    """Open the dataset with lerobot and decode frames from all over it; returns what was found."""
    import lerobot
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("local/assembly", root=root, video_backend="pyav")
    assert (dataset.num_episodes, dataset.num_frames) == (episodes, episodes * frames)
    for index in [0, len(dataset) - 1, *random.Random(0).sample(range(len(dataset)), 10)]:
        assert dataset[index]["episode_index"] == index // frames
    return f"lerobot {lerobot.__version__}: {dataset.num_episodes} episodes, 12 frames decoded"


def one_size(options: argparse.Namespace, recipe: Recipe, folder: Path, marks: list[EpisodeMark], n: int) -> Any:
    """Measure `n` episodes in a process of its own; returns the row."""
    work, root = folder / f"work-{n}" / "shards", folder / f"data-{n}"
    make_shards(work, folder / "videos", marks, recipe, n)
    words = ["--one", str(work), str(root), "--episodes", str(n), "--image-size", str(options.image_size)]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    opened = check(root, n, options.frames)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    shutil.rmtree(root)
    shutil.rmtree(work.parent)
    return {"episodes": n, "frames": n * options.frames, "MB": round(size / 1e6)} | json.loads(done.stdout) | {
        "opened by": opened.partition(":")[0]
    }  # fmt: skip


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, nargs="*", default=[250, 500, 1000])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--one", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    recipe = Recipe("PickCube-v1", "pick up the cube", 1000, image_size=(options.image_size, options.image_size))
    if options.one:
        print(json.dumps(assemble_once(*options.one, recipe, options.episodes[0])))
        return
    with tempfile.TemporaryDirectory() as scratch:
        marks = make_videos(Path(scratch) / "videos", recipe, options.frames)
        rows = [one_size(options, recipe, Path(scratch), marks, n) for n in options.episodes]
    last = rows[-1]
    per_episode = ", ".join(f"{1e3 * row['cpu seconds'] / row['episodes']:.1f}" for row in rows)
    facts = [
        f"{options.frames} frames an episode, {len(recipe.views)} views at {options.image_size}x{options.image_size}",
        f"CPU milliseconds per episode: {per_episode}",
        f"{last['episodes']} episodes took {last['seconds']} s and {last['peak RSS GiB']} GiB",
        f"the target for 1,000 is < {TARGET_SECONDS} s and < {TARGET_GIB:.0f} GiB",
        f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f} (5 minutes)",
    ]
    shown = table(rows, list(rows[0]))
    print(shown, *facts, sep="\n")
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"facts": facts, "rows": rows}
    (options.out / "assembly.json").write_text(json.dumps(document, indent=2) + "\n")
    listed = "\n".join(f"* {fact}" for fact in facts)
    (options.out / "assembly.md").write_text(f"# Assembly at scale\n\n```\n{shown}\n```\n\n{listed}\n")


if __name__ == "__main__":
    main()
