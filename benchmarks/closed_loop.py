"""Prove every layout: stored actions, decoded and executed in a fresh environment, repeat the replay to the bit.

Every demo is replayed (physics only) in every layout and control mode, as `convert` does. The actions that it would
store (float32) are decoded as an evaluation does and executed in a new simulator that starts from the same seed. An
episode that the replay itself loses is not stored, so it does not count; how many are lost is listed per task.

    python benchmarks/closed_loop.py [--demos tests/data/demos] [--env PickCube-v1 ...]

A run over all tasks writes `benchmarks/results/closed_loop.json` and `.md`; exit code 1 if an episode is not solved
again or a joint is elsewhere in any bit. Ten minutes on one core, no GPU.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mstool.cli.output import table
from mstool.contract import Array
from mstool.layouts import LAYOUTS
from mstool.manifest import load_manifest
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Demo
from mstool.simulators.maniskill.controller import ManiSkillController
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator

HERE = Path(__file__).parent
DEMOS = HERE.parent / "tests" / "data" / "demos"
NOTE = (
    "`stored`: episodes that the replay solved in that layout. `solved`: how many of them the stored actions solve in "
    "a fresh simulator. `difference`: the largest difference of a joint's position, in any step, to the replay's "
    "(rad, m)."
)


def execute(simulator: ManiSkillSimulator, demo: Demo, actions: Array, expected: Array) -> tuple[bool, float]:
    """Execute ManiSkill actions (T, A) from the demo's seed.

    Returns
    -------
    Whether the last one leaves the task solved, and the largest difference of a joint's position to `expected` (T, J).

    """
    simulator.reset(demo.seed, demo.reset_options)
    solved, worst = False, 0.0
    for action, qpos in zip(actions, expected, strict=True):
        worst = max(worst, float(np.abs(simulator.reading().qpos - qpos).max()))
        solved = simulator.step(action)
    return solved, worst


def main() -> int:
    """Run the proof and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demos", type=Path, default=DEMOS)
    parser.add_argument("--env", action="append")
    options = parser.parse_args()
    envs = options.env or sorted(folder.name for folder in options.demos.iterdir())
    # `native` takes any control mode, by default the demos' own.
    pairs = [(layout, mode) for layout in LAYOUTS.values() for mode in layout.control_modes or ("pd_joint_pos",)]
    stored: Counter[tuple[str, str, str]] = Counter()
    solved: Counter[tuple[str, str, str]] = Counter()
    worst: dict[tuple[str, str], float] = {}
    lost: Counter[tuple[str, str, str, str]] = Counter()
    started = time.monotonic()
    for env_id in tqdm(envs, unit="task"):
        demos = DemoFile(options.demos / env_id)
        horizon = load_manifest()[env_id].horizon
        for layout, mode in pairs:
            spec = SimulatorSpec(env_id, mode)
            # A simulator of its own: nothing of the replay is left in it.
            source, fresh = ManiSkillSimulator(spec), ManiSkillSimulator(spec)
            controller = ManiSkillController(source.controller_facts())
            for demo in demos.read_many(range(len(demos))):
                result = replay(source, demo, layout, horizon=horizon)
                if result.dropped:
                    lost[layout.name, env_id, mode, result.dropped] += 1
                    continue
                actions = layout.decode_action(result.actions, controller, mode)
                again, difference = execute(fresh, demo, actions, result.track.qpos)
                worst[layout.name, mode] = max(worst.get((layout.name, mode), 0.0), difference)
                stored[layout.name, mode, env_id] += 1
                solved[layout.name, mode, env_id] += again
            source.close()
            fresh.close()
    rows: list[dict[str, object]] = []
    for layout, mode in pairs:
        total = sum(stored[layout.name, mode, env] for env in envs)
        good = sum(solved[layout.name, mode, env] for env in envs)
        rows.append(
            {"layout": layout.name, "control mode": mode, "stored": total, "solved": good, "rate": good / max(total, 1)}
            | {env: f"{solved[layout.name, mode, env]}/{stored[layout.name, mode, env]}" for env in envs}
            | {"difference": f"{worst.get((layout.name, mode), 0.0):.1e}"}
        )
    shown = [row | {"rate": f"{100 * float(str(row['rate'])):.0f} %"} for row in rows]
    text = table(shown, list(rows[0]))
    dropped = [
        {"layout": name, "env_id": env, "control_mode": mode, "reason": why, "episodes": n}
        for (name, env, mode, why), n in lost.items()
    ]
    seconds = time.monotonic() - started
    print(f"{text}\n\nlost in replay: {dropped or 'none'}\n{seconds:.0f} s")
    if not options.env:
        results = HERE / "results"
        results.mkdir(exist_ok=True)
        document = {"rows": rows, "lost_in_replay": dropped, "seconds": round(seconds)}
        (results / "closed_loop.json").write_text(json.dumps(document, indent=2) + "\n")
        losses = "\n".join(
            f"* {d['layout']}, {d['env_id']}, {d['control_mode']}: {d['episodes']} x {d['reason']}" for d in dropped
        )
        (results / "closed_loop.md").write_text(
            f"# Closed loop per layout\n\n{NOTE}\n\n```\n{text}\n```\n\nLost in replay:\n\n{losses or 'none'}\n\n"
            f"{seconds:.0f} s in all, physics only, one process.\n"
        )
    return 0 if all(row["stored"] and row["rate"] == 1 for row in rows) and not any(worst.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
