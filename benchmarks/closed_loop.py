"""Prove every layout: stored actions, inverted and executed in a fresh environment, solve the task again.

Every demo is replayed (physics only) in every control mode that a layout allows, its actions are encoded as `convert`
stores them (float32), decoded as an evaluation does, and executed in a new simulator that starts from the same seed.
An episode that the replay itself loses is not stored, so it does not count; how many are lost is listed per task.

    python benchmarks/closed_loop.py [--demos tests/data/demos] [--env PickCube-v1 ...]

A run over all tasks writes `benchmarks/results/closed_loop.json` and `.md`; exit code 1 if a layout solves fewer than
95 % of its episodes. Two to ten minutes on one core, no GPU.
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
from mstool.contract import Array, ControllerFacts
from mstool.layouts import LAYOUTS, Layout
from mstool.manifest import load_manifest
from mstool.maniskill2lerobot.demos.reader import Demo, DemoFile
from mstool.maniskill2lerobot.replay import Replay, replay
from mstool.simulation.environment import Simulator, SimulatorSpec

HERE = Path(__file__).parent
DEMOS = HERE.parent / "tests" / "data" / "demos"
TARGET = 0.95
NOTE = (
    "`stored`: episodes that the replay solved in that control mode. `solved`: how many of them the stored actions "
    "solve in a fresh simulator. `difference`: the largest difference between an executed action and the decoded one."
)


def execute(simulator: Simulator, demo: Demo, actions: Array) -> bool:
    """Execute ManiSkill actions (T, A) from the demo's start; True when the last one leaves the task solved."""
    simulator.reset(demo.seed, demo.reset_options, demo.first_state)
    solved = False
    for action in actions:
        solved = simulator.step(action)
    return solved


def round_trip(layout: Layout, actions: Array, facts: ControllerFacts, mode: str) -> Array:
    """Encode and decode as a dataset and an evaluation do: the stored numbers are float32."""
    stored = layout.encode_action(actions, facts, mode)
    assert stored.dtype == np.float32
    return layout.decode_action(stored, facts, mode)


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
    lost: Counter[tuple[str, str, str]] = Counter()
    started = time.monotonic()
    for env_id in tqdm(envs, unit="task"):
        demos = DemoFile(options.demos / env_id)
        for mode in dict.fromkeys(mode for _, mode in pairs):
            spec = SimulatorSpec(env_id, mode)
            source = Simulator(spec)
            facts = source.controller_facts()
            replays: list[tuple[Demo, Replay]] = []
            for demo in demos.read_many(range(len(demos))):
                result = replay(source, demo, horizon=load_manifest()[env_id].horizon)
                if result.failure:
                    lost[env_id, mode, result.failure] += 1
                else:
                    replays.append((demo, result))
            source.close()
            # A simulator of its own: nothing of the replay is left in it.
            fresh = Simulator(spec)
            for layout, own in pairs:
                if own != mode:
                    continue
                for demo, result in replays:
                    actions = round_trip(layout, result.actions, facts, mode)
                    error = float(np.abs(actions - result.actions).max())
                    worst[layout.name, mode] = max(worst.get((layout.name, mode), 0.0), error)
                    stored[layout.name, mode, env_id] += 1
                    solved[layout.name, mode, env_id] += execute(fresh, demo, actions)
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
        {"env_id": env, "control_mode": mode, "reason": why, "episodes": n} for (env, mode, why), n in lost.items()
    ]
    seconds = time.monotonic() - started
    print(f"{text}\n\nlost in replay: {dropped or 'none'}\n{seconds:.0f} s")
    if not options.env:
        results = HERE / "results"
        results.mkdir(exist_ok=True)
        document = {"rows": rows, "lost_in_replay": dropped, "seconds": round(seconds)}
        (results / "closed_loop.json").write_text(json.dumps(document, indent=2) + "\n")
        losses = "\n".join(f"* {d['env_id']}, {d['control_mode']}: {d['episodes']} x {d['reason']}" for d in dropped)
        (results / "closed_loop.md").write_text(
            f"# Closed loop per layout\n\n{NOTE}\n\n```\n{text}\n```\n\nLost in replay:\n\n{losses or 'none'}\n\n"
            f"{seconds:.0f} s in all, physics only, one process.\n"
        )
    return 0 if all(float(str(row["rate"])) >= TARGET and row["stored"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
