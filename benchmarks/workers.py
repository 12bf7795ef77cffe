"""How conversion scales with worker processes: the same demos with 1, 4, 8 and 14 of them.

    python benchmarks/workers.py [--env PickCube-v1] [--episodes 56] [--workers 1 4 8 14] [--demos DIR]

`frames/s` counts from start to end; `steady` from the moment when every worker has finished its first episode, which
leaves out starting Python and compiling shaders. Writes `benchmarks/results/workers_<backend>.json` and `.md`.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from mstool.cli.output import table
from mstool.maniskill2lerobot.batches import Batch, Part
from mstool.maniskill2lerobot.convert import convert
from mstool.maniskill2lerobot.demos import open_demos
from mstool.maniskill2lerobot.executors.local import run_local
from mstool.maniskill2lerobot.options import make_recipe
from mstool.simulators.maniskill.demos.generate import generate_demos
from mstool.simulators.maniskill.devices import render_backend

COLUMNS = ("workers", "episodes", "frames", "seconds", "frames/s", "steady frames/s", "ratio to 1")


def measure(env_id: str, demos: Path, episodes: int, workers: int, work: Path) -> dict[str, object]:
    """Convert once with `workers` processes; returns the row."""
    finished: list[tuple[float, int]] = []

    def timed(jobs, count):
        for done in run_local(jobs, count):
            finished.append((time.monotonic(), done.mark.frames if done.mark else 0))
            yield done

    source = open_demos(env_id, str(demos), episodes=episodes, seed=0, notify=print)
    part = Part([Batch(source, make_recipe(env_id), episodes)], work / f"w{workers}", "local/workers")
    (report,) = convert(
        [part],
        formats={"v3.0": "video"},
        workers=workers,
        executor=timed,
    )
    warm = finished[workers:]
    steady = sum(frames for _, frames in warm) / (finished[-1][0] - finished[workers - 1][0])
    return {
        "workers": workers,
        "episodes": report.converted,
        "frames": report.frames,
        "seconds": round(report.seconds, 1),
        "frames/s": round(report.frames / report.seconds, 1),
        "steady frames/s": round(steady, 1),
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="PickCube-v1")
    parser.add_argument("--episodes", type=int, default=56)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 4, 8, 14])
    parser.add_argument("--demos", type=Path, help="A ManiSkill demo folder. Default: generate them.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.episodes <= max(options.workers):
        parser.error("every worker needs an episode to warm up, and some must be left: raise --episodes")
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        demos = options.demos or work / "demos"
        if options.demos is None:
            generate_demos(options.env, episodes=options.episodes, seed=0, out_dir=demos)
        rows = []
        for workers in options.workers:
            rows.append(measure(options.env, demos, options.episodes, workers, work))
            rows[-1]["ratio to 1"] = round(rows[-1]["steady frames/s"] / rows[0]["steady frames/s"], 2)
            print(table(rows, COLUMNS), flush=True)
    about = f"{options.env}, two 256x256 views, SAPIEN on {render_backend()}, {os.cpu_count()} cores"
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"workers_{render_backend()}"
    (options.out / f"{name}.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    (options.out / f"{name}.md").write_text(f"{about}\n\n```\n{table(rows, COLUMNS)}\n```\n")


if __name__ == "__main__":
    main()
