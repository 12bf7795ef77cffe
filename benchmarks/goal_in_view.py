"""How much of PickCube's goal the cameras show: pixels that change when it is hidden, at the start and at the grasp.

    python benchmarks/goal_in_view.py [--episodes 100] [--seed 10000] [--image-size 128] [--failed RESULTS.json ...]

`--failed` takes documents of `benchmarks/flow_ten_tasks.py`: the seeds that no policy failed and those that any or all
failed are then told apart. Writes `benchmarks/results/goal_in_view.md`.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mstool.cli.output import table
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of, build_simulator

RESULTS = Path(__file__).parent / "results"
ENV = "PickCube-v1"
VIEWS = ("base", "wrist")
# A change of an 8-bit value that counts.
LEAST = 8


def goal_pixels(simulator: Any) -> dict[str, int]:
    """Count each view's pixels that the goal changes, as the scene stands."""
    goal = simulator._env.goal_site
    shown = simulator.images()
    goal.hide_visual()
    hidden = simulator.images()
    goal.show_visual()
    changed = {view: np.abs(shown[view].astype(int) - hidden[view]).max(axis=-1) > LEAST for view in VIEWS}
    return {view: int(pixels.sum()) for view, pixels in changed.items()}


def at_start_and_grasp(simulator: Any, demo: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Replay a demo up to where the cube is grasped, and count the goal's pixels there and at the start."""
    simulator.reset(demo.seed)
    first = goal_pixels(simulator)
    agent, cube = simulator._env.agent, simulator._env.cube
    for action in demo.actions:
        simulator.step(action)
        if bool(agent.is_grasping(cube)[0]):
            break
    return first, goal_pixels(simulator)


def main() -> None:
    """Generate demos, count, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=10_000)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--failed", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    failed = [
        set(task["failed_seeds"])
        for path in options.failed
        for entry in json.loads(path.read_text())["policies"]
        for task in entry.get("tasks_done", [])
        if task["env_id"] == ENV
    ]
    size = (options.image_size, options.image_size)
    simulator = build_simulator(SimulatorSpec(ENV, "pd_joint_pos", views=VIEWS, image_size=size))
    counted: dict[int, tuple[dict[str, int], dict[str, int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        benchmark = benchmark_of(ENV)
        benchmark.generate(ENV, episodes=options.episodes, seed=options.seed, out_dir=Path(folder))
        demos = benchmark.open_demos(Path(folder))
        for position in range(options.episodes):
            demo = demos.read(position)
            counted[demo.seed] = at_start_and_grasp(simulator, demo)
    simulator.close()
    groups = {"all": set(counted)}
    if failed:
        every, some = set.intersection(*failed), set.union(*failed)
        groups |= {"solved by every policy": set(counted) - some, "failed by some": some, "failed by all": every}
    rows = []
    for name, seeds in groups.items():
        for moment, when in enumerate(("start", "grasp")):
            base = [counted[seed][moment]["base"] for seed in sorted(seeds & set(counted))]
            wrist = [counted[seed][moment]["wrist"] for seed in sorted(seeds & set(counted))]
            rows.append(
                {
                    "seeds": f"{name} ({len(base)})",
                    "at": when,
                    "base, median px": f"{np.median(base):.0f}",
                    "base sees 4 px or less": sum(count <= 4 for count in base),
                    "wrist, median px": f"{np.median(wrist):.0f}",
                }
            )
    text = table(rows, list(rows[0]))
    print(text)
    heading = f"# What the cameras show of PickCube's goal\n\n{options.image_size} px, {options.episodes} demos.\n\n"
    (RESULTS / "goal_in_view.md").write_text(f"{heading}```\n{text}\n```\n")


if __name__ == "__main__":
    main()
