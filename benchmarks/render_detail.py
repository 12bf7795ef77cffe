"""What `--render-detail fast` costs in likeness and saves in time: six tasks, three views.

Replays one demo of tests/data per task with `full` and with `fast` meshes side by side and compares pictures (256 px)
of the same moments; both are timed in turns, so that whatever else the machine does meets both.

    python benchmarks/render_detail.py [--env PickCube-v1 ...] [--every 6]

Writes `benchmarks/results/render_detail.md` and `.json`; exit code 1 if a picture is below 34 dB. `ms` is wall clock of
one step with base and wrist view. On a CPU five minutes.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from mstool.cli.output import table
from mstool.maniskill2lerobot.pictures.video import psnr_db
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.devices import render_backend
from mstool.simulators.maniskill.environment import ManiSkillSimulator

HERE = Path(__file__).parent
DEMOS = HERE.parent / "tests" / "data" / "demos"
TASKS = ("PickCube-v1", "StackCube-v1", "PushCube-v1", "PullCube-v1", "PullCubeTool-v1", "PlaceSphere-v1")
VIEWS = ("base", "wrist", "base2")
DETAILS = ("full", "fast")
FLOOR_DB = 34.0
COLUMNS = (
    "task",
    "robot",
    *(f"{view} {what}" for view in VIEWS for what in ("min", "mean")),
    "ms full",
    "ms fast",
    "times faster",
)


def timed_step(simulator: ManiSkillSimulator, action: np.ndarray) -> float:
    """Return the seconds of one step and its pictures, one after the other."""
    started = time.perf_counter()
    simulator.images()
    simulator.step(action)
    return time.perf_counter() - started


def likeness(env_id: str, every: int) -> dict[str, list[float]]:
    """Return the PSNR in dB of every `every`-th moment, per view."""
    demo = DemoFile(DEMOS / env_id).read(0)
    pictures = {}
    for detail in DETAILS:
        simulator = ManiSkillSimulator(SimulatorSpec(env_id, demo.control_mode, views=VIEWS, render_detail=detail))
        simulator.reset(demo.seed, demo.reset_options, demo.first_state)
        seen = []
        for k, action in enumerate(demo.actions):
            if k % every == 0:
                seen.append(simulator.images())
            simulator.step(action)
        seen.append(simulator.images())
        simulator.close()
        pictures[detail] = seen
    pairs = list(zip(pictures["full"], pictures["fast"], strict=True))
    return {view: [psnr_db(full[view], fast[view]) for full, fast in pairs] for view in VIEWS}


def speed(env_id: str) -> tuple[dict[str, float], str]:
    """Return the median milliseconds per step with two views, `full` and `fast` in turns, and the robot's name."""
    demo = DemoFile(DEMOS / env_id).read(0)
    both = {}
    for detail in DETAILS:
        both[detail] = ManiSkillSimulator(
            SimulatorSpec(env_id, demo.control_mode, views=VIEWS[:2], render_detail=detail)
        )
        both[detail].reset(demo.seed, demo.reset_options, demo.first_state)
        both[detail].images()
    seconds: dict[str, list[float]] = {detail: [] for detail in DETAILS}
    for action in demo.actions[:40]:
        for detail, simulator in both.items():
            seconds[detail].append(timed_step(simulator, action))
    robot = both["full"].robot
    for simulator in both.values():
        simulator.close()
    return {detail: 1e3 * float(np.median(values)) for detail, values in seconds.items()}, robot


def measure(env_id: str, every: int) -> dict[str, object]:
    """Compare one task."""
    values = likeness(env_id, every)
    ms, robot = speed(env_id)
    return {
        "task": env_id,
        "robot": robot,
        **{f"{view} min": round(min(each), 1) for view, each in values.items()},
        **{f"{view} mean": round(float(np.mean(each)), 1) for view, each in values.items()},
        "ms full": round(ms["full"], 1),
        "ms fast": round(ms["fast"], 1),
        "times faster": round(ms["full"] / ms["fast"], 1),
    }


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", nargs="*", default=TASKS)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    rows = []
    for env_id in options.env:
        rows.append(measure(env_id, options.every))
        print(table(rows[-1:], COLUMNS), flush=True)
    lowest = min(float(str(row[f"{view} min"])) for row in rows for view in VIEWS)
    about = (
        f"First demo of each task in tests/data, every {options.every}th moment and the last, 256x256, PSNR in dB of "
        f"`fast` against `full` (99: equal in every pixel). SAPIEN on {render_backend()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; ms per step with base and wrist view, measured in turns, median. "
        f"Lowest {lowest} dB."
    )
    text = table(rows, COLUMNS)
    print(about, text, sep="\n\n")
    if set(options.env) == set(TASKS):
        (options.out / "render_detail.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
        (options.out / "render_detail.md").write_text(f"{about}\n\n```\n{text}\n```\n")
    return int(lowest < FLOOR_DB)


if __name__ == "__main__":
    sys.exit(main())
