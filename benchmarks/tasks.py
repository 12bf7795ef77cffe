"""Convert demos of all ten tasks and say what became of them.

For each task: generate `--episodes` demos with ManiSkill's own motion planning (tasks side by side), convert them with
the defaults (`libero` layout, base and wrist view at 256 px; one task after the other), and count seeds tried, demos
solved, episodes kept, frames and time. Then lay out base and wrist view of each task's first episode at four moments.

    python benchmarks/tasks.py [--env PickCube-v1 ...] [--episodes 5] [--workers 2] [--work DIR]

A run over all tasks writes `benchmarks/results/tasks.json`, `.md` and `docs/contact_sheet.png`.
"""

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mstool.cli.output import table
from mstool.manifest import all_tasks
from mstool.maniskill2lerobot.batches import Batch, Part
from mstool.maniskill2lerobot.convert import convert
from mstool.maniskill2lerobot.demos import open_demos
from mstool.maniskill2lerobot.options import make_recipe
from mstool.maniskill2lerobot.pictures.video import decode
from mstool.simulators.demos import GenerateReport
from mstool.simulators.maniskill.demos.generate import generate_demos
from mstool.simulators.maniskill.devices import render_backend

HERE = Path(__file__).parent
COLUMNS = ("task", "seeds", "solved", "asked", "kept", "dropped", "frames", "ms/frame", "MB", "PSNR base", "PSNR wrist")
MOMENTS = (0.0, 0.35, 0.7, 1.0)
TILE = 112
LABEL = 18


def generate(env_id: str, episodes: int, work: Path) -> GenerateReport:
    """Generate the demos of one task."""
    return generate_demos(env_id, episodes=episodes, seed=0, out_dir=work / "demos" / env_id)


def run(made: GenerateReport, episodes: int, workers: int | None, work: Path) -> dict[str, object]:
    """Convert one task's demos; returns its row."""
    env_id = made.env_id
    source = open_demos(env_id, str(work / "demos" / env_id), episodes=episodes, seed=0, notify=print)
    part = Part([Batch(source, make_recipe(env_id), episodes)], work / env_id, f"local/{env_id}")
    (report,) = convert(
        [part],
        formats={"v3.0": "video"},
        workers=workers,
        overwrite=True,
    )
    return {
        "task": env_id,
        "seeds": made.attempts,
        "solved": made.episodes,
        "asked": report.asked,
        "kept": report.converted,
        "dropped": ", ".join(f"{count} x {reason}" for reason, count in report.dropped.items()),
        "frames": report.frames,
        "ms/frame": round(report.ms_per_frame, 1),
        "MB": round(report.size_bytes / 1e6, 1),
        "PSNR base": round(report.psnr_db["base"]["mean"], 1),
        "PSNR wrist": round(report.psnr_db["wrist"]["mean"], 1),
    }


def contact_sheet(work: Path, env_ids: list[str]) -> Image.Image:
    """Two columns of tasks; per task base views above wrist views at four moments of its first episode."""
    columns, rows = 2, -(-len(env_ids) // 2)
    width, height = len(MOMENTS) * TILE + 8, 2 * TILE + LABEL + 6
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for i, env_id in enumerate(env_ids):
        x, y = i // rows * width, i % rows * height
        draw.text((x + 4, y + 3), env_id, fill="black")
        length = json.loads((work / env_id / "meta/mstool/episodes.jsonl").read_text().splitlines()[0])["frames"]
        for line, key in enumerate(("observation.images.image", "observation.images.image2")):
            video = next((work / env_id / "videos" / key).rglob("*.mp4"))
            wanted = [round(moment * (length - 1)) for moment in MOMENTS]
            frames = {k: frame for k, frame in zip(range(length), decode(video), strict=False) if k in wanted}
            for column, k in enumerate(wanted):
                tile = Image.fromarray(np.ascontiguousarray(frames[k])).resize((TILE, TILE), Image.Resampling.LANCZOS)
                sheet.paste(tile, (x + 4 + column * TILE, y + LABEL + line * TILE))
    return sheet


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", nargs="*", default=all_tasks())
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path, default=HERE.parent)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        started = time.monotonic()
        rows = []
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            made = list(pool.map(generate, options.env, repeat(options.episodes), repeat(work)))
        for report in made:
            rows.append(run(report, options.episodes, options.workers, work))
            print(table(rows[-1:], COLUMNS), flush=True)
        text = table(rows, COLUMNS)
        print(text)
        results = options.out / "benchmarks" / "results"
        results.mkdir(parents=True, exist_ok=True)
        (options.out / "docs").mkdir(exist_ok=True)
        if set(options.env) == set(all_tasks()):
            about = (
                f"{options.episodes} demos per task from seed 0, two 256x256 views, SAPIEN on {render_backend()}, "
                f"{options.workers or 'auto'} worker(s), {time.monotonic() - started:.0f} s in all. `seeds`: how many "
                "were tried until enough demos were solved; ms/frame is wall clock and includes starting the workers."
            )
            (results / "tasks.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
            (results / "tasks.md").write_text(f"{about}\n\n```\n{text}\n```\n")
            contact_sheet(work, options.env).save(options.out / "docs" / "contact_sheet.png", optimize=True)


if __name__ == "__main__":
    main()
