"""How many seeds ManiSkill's solutions solve with our planner, on robots and tasks beside the ten of `tasks.py`.

For each pair of environment and robot: seeds 0 to `--seeds` - 1, each in a scene of its own, and why the others fail.

    python benchmarks/planners.py [--seeds 10]

A run of 10 seeds writes `benchmarks/results/planners.json` and `.md`.
"""

import argparse
import json
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from mstool.cli.output import table
from mstool.simulators.maniskill.solve import make_planning_env, solve_episode

RESULTS = Path(__file__).parent / "results"
SEEDS = 10
# The environment's own robot where none is named.
PAIRS = (
    ("PickCubeSO100-v1", None),
    ("DrawTriangle-v1", None),
    ("PickCube-v1", "so100"),
    ("PickCube-v1", "panda_wristcam"),
    ("StackCube-v1", "panda"),
)
COLUMNS = ("environment", "robot", "solved", "steps", "failures")


def run(pair: tuple[str, str | None], seeds: int) -> dict[str, object]:
    """Attempt all seeds of one pair; returns its row."""
    env_id, robot = pair
    env = make_planning_env(env_id, robot)
    attempts = [solve_episode(env, env_id, seed) for seed in range(seeds)]
    name = env.unwrapped.agent.uid
    env.close()
    solved = [attempt for attempt in attempts if attempt.success]
    failures = Counter(attempt.failure for attempt in attempts if not attempt.success)
    return {
        "environment": env_id,
        "robot": name if robot else f"{name} (its own)",
        "solved": f"{len(solved)}/{seeds}",
        "steps": round(sum(attempt.steps for attempt in solved) / len(solved)) if solved else "",
        "failures": ", ".join(f"{count} x {reason}" for reason, count in failures.most_common()),
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    started = time.monotonic()
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(run, PAIRS, repeat(options.seeds)))
    text = table(rows, COLUMNS)
    print(text)
    if options.seeds == SEEDS:
        about = (
            f"Seeds 0 to {SEEDS - 1}, each in a scene of its own, physics only, in {time.monotonic() - started:.0f} s. "
            "`steps`: control steps of a solved episode on average."
        )
        (RESULTS / "planners.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
        (RESULTS / "planners.md").write_text(f"{about}\n\n```\n{text}\n```\n")


if __name__ == "__main__":
    main()
