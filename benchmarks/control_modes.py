"""Convert demos that were recorded in any of ManiSkill's control modes, to every layout.

The sources are real: each planner demo is executed in each control mode with ManiSkill's own conversion of actions (for
the two that it has none for, with the demo's positions and the velocities between them), and what solves the task is
written by ManiSkill's own recorder. Then every such file is converted as `convert` does, physics only.

    python benchmarks/control_modes.py [--demos tests/data/demos] [--env PickCube-v1 ...] [--mode pd_joint_vel ...]

A run over all writes `benchmarks/results/control_modes.json` and `.md`. Half an hour on one core, no GPU.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mstool.cli.output import table
from mstool.contract import Array
from mstool.layouts import get_layout
from mstool.manifest import load_manifest
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.build import build_env
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator

HERE = Path(__file__).parent
DEMOS = HERE.parent / "tests" / "data" / "demos"
MODES = (
    "pd_joint_delta_pos", "pd_joint_target_delta_pos", "pd_ee_delta_pos", "pd_ee_delta_pose", "pd_ee_target_delta_pos",
    "pd_ee_target_delta_pose", "pd_ee_pose", "pd_joint_vel", "pd_joint_pos_vel", "pd_joint_delta_pos_vel",
)  # fmt: skip
# Each layout in another control mode.
TARGETS = {"libero": "pd_ee_delta_pose", "droid": "pd_joint_delta_pos", "joint": "pd_joint_pos"}
ENDLESS = 10**9


def record(env_id: str, mode: str, demos: DemoFile, folder: Path, *, episodes: int | None = None) -> int:
    """Write demos in `pd_joint_pos` as ones in `mode` into `folder`; return how many solved their task."""
    from mani_skill.trajectory.utils.actions.conversion import from_pd_joint_pos
    from mani_skill.utils.wrappers.record import RecordEpisode

    folder.mkdir(parents=True)
    source = build_env(env_id, "pd_joint_pos", demos.env_kwargs, max_episode_steps=ENDLESS)
    env = RecordEpisode(
        build_env(env_id, mode, demos.env_kwargs, max_episode_steps=ENDLESS),
        output_dir=str(folder),
        trajectory_name="trajectory",
        save_video=False,
        save_on_reset=False,
        record_reward=False,
    )
    solved = 0
    for demo in demos.read_many(range(len(demos))[:episodes]):
        for each in (source, env):
            each.reset(seed=demo.seed, options={"reconfigure": True})
        if mode.endswith("pos_vel"):
            info = with_velocities(mode, demo.actions, env)
        else:
            info = from_pd_joint_pos(mode, demo.actions, source, env)
        success = bool(info["success"])
        env.flush_trajectory(save=success)
        solved += success
    env.close()
    source.close()
    return solved


def with_velocities(mode: str, actions: Array, env: Any) -> dict[str, Any]:
    """Execute positions (T, A), or steps to them, with the velocities between their neighbours, rad/s."""
    arm = env.unwrapped.agent.controller.controllers["arm"]
    arms = actions[:, :-1]
    velocities = np.gradient(arms, axis=0) * env.unwrapped.control_freq
    info: dict[str, Any] = {}
    for position, velocity, action in zip(arms, velocities, actions, strict=True):
        part = np.concatenate([position, velocity])
        if "delta" in mode:
            low, high = arm._original_single_action_space.low, arm._original_single_action_space.high
            move = np.concatenate([position - arm.qpos[0].numpy(), velocity])
            part = np.clip((move - (high + low) / 2) / ((high - low) / 2), -1, 1)
        info = env.step(np.concatenate([part, action[-1:]]).astype(np.float32))[4]
    return info


def main() -> int:
    """Run the conversions and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demos", type=Path, default=DEMOS)
    parser.add_argument("--env", action="append")
    parser.add_argument("--mode", action="append")
    options = parser.parse_args()
    envs = options.env or sorted(folder.name for folder in options.demos.iterdir() if folder.is_dir())
    modes = options.mode or list(MODES)
    stored: Counter[str] = Counter()
    converted: Counter[tuple[str, str]] = Counter()
    steps: Counter[tuple[str, str]] = Counter()
    lost: Counter[tuple[str, str, str, str]] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, tqdm(total=len(envs) * len(modes), unit="file") as progress:
        for env_id in envs:
            horizon = load_manifest()[env_id].horizon
            planner = DemoFile(options.demos / env_id)
            for mode in modes:
                folder = Path(scratch) / mode / env_id
                solved = record(env_id, mode, planner, folder)
                progress.update()
                if not solved:
                    continue
                demos = DemoFile(folder)
                stored[mode] += solved
                for layout, target in TARGETS.items():
                    simulator = ManiSkillSimulator(SimulatorSpec(env_id, target))
                    for demo in demos.read_many(range(solved)):
                        result = replay(simulator, demo, get_layout(layout), horizon=horizon)
                        if result.dropped:
                            lost[mode, layout, env_id, result.dropped] += 1
                            continue
                        converted[mode, layout] += 1
                        steps[mode, layout] += len(result.actions)
                        steps[mode, f"{layout} source"] += len(demo.actions)
                    simulator.close()
    rows: list[dict[str, object]] = []
    for mode in modes:
        row: dict[str, object] = {"source": mode, "demos": stored[mode]}
        for layout in TARGETS:
            good = converted[mode, layout]
            longer = steps[mode, layout] / max(steps[mode, f"{layout} source"], 1)
            row[layout] = f"{good} ({100 * good / max(stored[mode], 1):.0f} %)"
            row[f"{layout} length"] = f"{longer:.2f}"
        rows.append(row)
    text = table(rows, list(rows[0]))
    losses = [
        {"source": mode, "layout": layout, "env_id": env, "reason": why, "episodes": n}
        for (mode, layout, env, why), n in lost.items()
    ]
    seconds = time.monotonic() - started
    print(f"{text}\n\nlost: {losses or 'none'}\n{seconds:.0f} s")
    if not (options.env or options.mode):
        document = {"targets": TARGETS, "rows": rows, "lost": losses, "seconds": round(seconds)}
        (HERE / "results" / "control_modes.json").write_text(json.dumps(document, indent=2) + "\n")
        listed = "\n".join(
            f"* {d['source']} to {d['layout']}, {d['env_id']}: {d['episodes']} x {d['reason']}" for d in losses
        )
        targets = ", ".join(f"{layout} in {mode}" for layout, mode in TARGETS.items())
        (HERE / "results" / "control_modes.md").write_text(
            f"# Demos of any control mode\n\n`demos`: planner demos of {len(envs)} tasks that solve their task in the "
            f"source's control mode, recorded by ManiSkill. Then, per layout ({targets}): how many of them convert, "
            f"and how long the converted episodes are compared with their demos.\n\n```\n{text}\n```\n\n"
            f"Lost:\n\n{listed or 'none'}\n\n{seconds:.0f} s in all, physics only, one process.\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
