"""LIBERO: how many initial states the scripted expert solves, what a step and a converted frame cost.

    python benchmarks/libero_suites.py                  # all parts
    python benchmarks/libero_suites.py --part expert    # tasks that the results hold already are not tried again

Processor seconds are of one core; wall-clock seconds depend on what else the machine does. A full run takes half an
hour and writes `benchmarks/results/libero_suites.json` and `.md`.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from mstool.api.convert import convert
from mstool.api.stats import compute_stats
from mstool.api.validate import validate
from mstool.cli.output import table
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of, build_simulator

RESULTS = Path(__file__).parent / "results"
SUITES = ("libero_spatial", "libero_object")
MODE = "pd_ee_delta_pose"
# The expert was made looking at the first ten initial states.
FIRST, EPISODES = 10, 5
EXPERT = ("task", "solved", "steps", "cpu_s_per_episode", "failed")
SPEED = ("images", "renderer", "steps", "cpu_ms_per_step", "steps_per_s")
CONVERT = ("workers", "image_size", "cameras", "frames", "wall_s", "cpu_s", "frames_per_s", "cpu_s_per_frame")


def expert(env_id: str) -> dict[str, object]:
    """Try the initial states of one task."""
    planner = benchmark_of(env_id).planner(env_id)
    started = time.process_time()
    attempts = [planner.solve(seed) for seed in range(FIRST, FIRST + EPISODES)]
    seconds = time.process_time() - started
    planner.close()
    steps = [attempt.steps for attempt in attempts if attempt.success]
    return {
        "task": env_id,
        "solved": f"{len(steps)}/{EPISODES}",
        "steps": round(float(np.mean(steps))) if steps else "",
        "cpu_s_per_episode": round(seconds / EPISODES, 1),
        "failed": ", ".join(str(attempt.seed) for attempt in attempts if not attempt.success),
    }


def speed(views: tuple[str, ...], size: int, steps: int) -> dict[str, object]:
    """Time steps that ask for nothing, with a picture of every view after each."""
    spec = SimulatorSpec("libero_spatial/0", MODE, views=views, image_size=(size, size))
    simulator = build_simulator(spec)
    simulator.reset(0)
    idle = np.zeros(simulator.action_size, np.float32)
    wall, cpu = time.monotonic(), time.process_time()
    for _ in range(steps):
        simulator.step(idle)
        if views:
            simulator.images()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    on = f"{os.environ['MUJOCO_GL']} ({simulator.rendered_on})" if views else ""
    simulator.close()
    return {
        "images": f"{len(views)} x {size} px" if views else "none",
        "renderer": on,
        "steps": steps,
        "cpu_ms_per_step": round(1000 * cpu / steps),
        "steps_per_s": round(steps / wall, 1),
    }


def conversion(workers: int, episodes: int, size: int = 256) -> dict[str, object]:
    """Generate demos of one task, convert them as pi05_libero reads them, and validate that."""
    env_id = "libero_spatial/2"
    benchmark = benchmark_of(env_id)
    with tempfile.TemporaryDirectory() as folder:
        demos, root = Path(folder) / "demos", Path(folder) / "data"
        benchmark.generate(env_id, episodes=episodes, seed=benchmark.first_demo_seed, out_dir=demos)
        wall, cpu = time.monotonic(), _children()
        (report,) = convert(env_id, demos=demos, output=root, image_size=size, workers=workers, version="v2.1")
        wall, cpu = time.monotonic() - wall, _children() - cpu
        compute_stats(root)
        verdict = validate(root, against="pi05_libero")
    return {
        "workers": workers,
        "image_size": size,
        "cameras": "base, wrist",
        "frames": report.frames,
        "wall_s": round(wall),
        "cpu_s": round(cpu),
        "frames_per_s": round(report.frames / wall, 2),
        "cpu_s_per_frame": round(cpu / report.frames, 2),
        "verdict": verdict.headline(),
        "warned": sorted(verdict.codes("warned")),
    }


def _children() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def write(found: dict[str, list[dict[str, object]]]) -> None:
    """Write what there is so far."""
    (RESULTS / "libero_suites.json").write_text(json.dumps(found, indent=1) + "\n")
    parts = []
    for suite in SUITES:
        if rows := [row for row in found.get("expert", []) if str(row["task"]).startswith(suite)]:
            solved, tried = (sum(int(str(row["solved"]).split("/")[side]) for row in rows) for side in (0, 1))
            parts.append(
                f"The expert on {suite}: initial states {FIRST} to {FIRST + EPISODES - 1} of each task, {solved} of "
                f"{tried} solved ({100 * solved / tried:.0f} %). `steps`: of a solved episode on average.\n\n"
                f"```\n{table(rows, EXPERT)}\n```\n"
            )
    if rows := found.get("speed", []):
        about = "Steps of libero_spatial/0, one process; steps per second depend on what else the machine did."
        parts.append(f"{about}\n\n```\n{table(rows, SPEED)}\n```\n")
    if rows := found.get("convert", []):
        about = "`mstool convert` of generated demos of libero_spatial/2; `wall_s` depends on the machine's other work."
        verdict = f"`mstool validate` then says: {rows[0]['verdict']}."
        parts.append(f"{about}\n\n```\n{table(rows, CONVERT)}\n```\n\n{verdict}\n")
    (RESULTS / "libero_suites.md").write_text("\n".join(parts))


def main() -> None:
    """Run the parts, and write each result as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("expert", "speed", "convert"), action="append")
    parser.add_argument("--workers", type=int, default=2, help="of the conversion")
    parser.add_argument("--episodes", type=int, default=4, help="that are converted")
    options = parser.parse_args()
    path = RESULTS / "libero_suites.json"
    found: dict[str, list[dict[str, object]]] = json.loads(path.read_text()) if path.exists() else {}
    parts = options.part or ["expert", "speed", "convert"]
    if "expert" in parts:
        rows = found.setdefault("expert", [])
        for env_id in [each for suite in SUITES for each in benchmark_of(suite).suite(suite)]:
            if all(row["task"] != env_id for row in rows):
                rows.append(expert(env_id))
                print(json.dumps(rows[-1]), flush=True)
                write(found)
    if "speed" in parts:
        both = ("base", "wrist")
        found["speed"] = [speed((), 0, 50), *(speed(both, size, 5) for size in (128, 224, 256))]
        write(found)
    if "convert" in parts:
        found["convert"] = [conversion(options.workers, options.episodes)]
        write(found)
    print((RESULTS / "libero_suites.md").read_text())


if __name__ == "__main__":
    main()
