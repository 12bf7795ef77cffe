"""LIBERO: how many initial states the scripted expert solves, and what a step costs with and without images.

python benchmarks/libero_suites.py --suites libero_spatial libero_object --episodes 5
"""

import argparse
import json
import time

import numpy as np

from mstool.simulators.base import SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of, build_simulator

MODE = "pd_ee_delta_pose"


def expert(env_id: str, episodes: int) -> dict[str, object]:
    """Try initial states from the first on."""
    planner = benchmark_of(env_id).planner(env_id)
    started = time.process_time()
    attempts = [planner.solve(seed) for seed in range(episodes)]
    seconds = time.process_time() - started
    planner.close()
    steps = [attempt.steps for attempt in attempts if attempt.success]
    return {
        "env_id": env_id,
        "solved": len(steps),
        "tried": episodes,
        "failed_seeds": [attempt.seed for attempt in attempts if not attempt.success],
        "mean_steps": round(float(np.mean(steps)), 1) if steps else None,
        "cpu_ms_per_step": round(1000 * seconds / sum(attempt.steps for attempt in attempts)),
    }


def pictures(env_id: str, size: int, steps: int = 5) -> dict[str, object]:
    """Time two pictures after each of a few steps, in processor seconds."""
    simulator = build_simulator(SimulatorSpec(env_id, MODE, views=("base", "wrist"), image_size=(size, size)))
    simulator.reset(0)
    simulator.images()
    started = time.process_time()
    for _ in range(steps):
        simulator.step(np.zeros(simulator.action_size, np.float32))
        simulator.images()
    seconds = (time.process_time() - started) / steps
    simulator.close()
    return {"env_id": env_id, "size": size, "rendered_on": simulator.rendered_on, "cpu_s_per_step": round(seconds, 3)}


def main() -> None:
    """Print one line of JSON per task, then totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suites", nargs="+", default=["libero_spatial", "libero_object"])
    parser.add_argument("--episodes", type=int, default=5, help="initial states per task")
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    for suite in options.suites:
        rows = []
        for env_id in benchmark_of(suite).suite(suite):
            rows.append(expert(env_id, options.episodes))
            print(json.dumps(rows[-1]), flush=True)
        solved, tried = (sum(int(str(row[key])) for row in rows) for key in ("solved", "tried"))
        print(f"{suite}: {solved} of {tried} solved ({100 * solved / tried:.0f} %)", flush=True)
    print(json.dumps(pictures(f"{options.suites[0]}/0", options.size)))


if __name__ == "__main__":
    main()
