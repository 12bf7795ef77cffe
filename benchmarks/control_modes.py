"""Convert demos that were recorded in any of ManiSkill's control modes, to every layout.

The sources are real: each planner demo is executed in each control mode with ManiSkill's own conversion of actions (for
the two that it has none for, with the demo's positions and the velocities between them), and what solves the task is
written by ManiSkill's own recorder. Then every such file is converted as `convert` does, physics only.

    python benchmarks/control_modes.py [--demos tests/data/demos] [--env PickCube-v1 ...] [--mode pd_joint_vel ...]

Writes `benchmarks/results/control_modes.json` and `.md` after every file, and goes on from there unless `--fresh` is
given. Sixty files of about a minute each on a busy core, no GPU.
"""

import argparse
import json
import sys
import tempfile
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
    "pd_joint_delta_pos", "pd_ee_delta_pose", "pd_ee_delta_pos", "pd_joint_target_delta_pos", "pd_ee_target_delta_pose",
    "pd_ee_target_delta_pos", "pd_ee_pose", "pd_joint_vel", "pd_joint_pos_vel", "pd_joint_delta_pos_vel",
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


def measure(env_id: str, mode: str, demos: DemoFile) -> dict[str, Any]:
    """Record demos in a control mode and convert them to every layout; return what became of them."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "demos"
        solved = record(env_id, mode, demos, folder)
        found: dict[str, Any] = {"env_id": env_id, "source": mode, "demos": solved}
        sources = DemoFile(folder).read_many(range(solved)) if solved else []
    for layout, target in TARGETS.items():
        simulator = ManiSkillSimulator(SimulatorSpec(env_id, target))
        horizon = load_manifest()[env_id].horizon
        results = [(demo, replay(simulator, demo, get_layout(layout), horizon=horizon)) for demo in sources]
        simulator.close()
        kept = [(demo, result) for demo, result in results if not result.dropped]
        found[layout] = {
            "converted": len(kept),
            "steps": sum(len(result.actions) for _, result in kept),
            "source_steps": sum(len(demo.actions) for demo, _ in kept),
            "lost": dict(Counter(result.dropped for _, result in results if result.dropped)),
        }
    return found


def rows(found: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Return a line for each control mode, over all tasks."""
    lines: list[dict[str, object]] = []
    for mode in MODES:
        of_mode = [each for each in found if each["source"] == mode]
        demos = sum(each["demos"] for each in of_mode)
        line: dict[str, object] = {"source": mode, "tasks": len(of_mode), "demos": demos}
        for layout in TARGETS:
            parts = [each[layout] for each in of_mode]
            good, steps, source = (sum(part[name] for part in parts) for name in ("converted", "steps", "source_steps"))
            line[layout] = f"{good} ({100 * good / max(demos, 1):.0f} %)"
            line[f"{layout} length"] = f"{steps / max(source, 1):.2f}"
        if of_mode:
            lines.append(line)
    return lines


def main() -> int:
    """Measure what was not measured yet, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demos", type=Path, default=DEMOS)
    parser.add_argument("--env", action="append")
    parser.add_argument("--mode", action="append")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    options = parser.parse_args()
    envs = options.env or sorted(folder.name for folder in options.demos.iterdir() if folder.is_dir())
    results = HERE / "results" / "control_modes.json"
    found = json.loads(results.read_text()) if results.is_file() and not options.fresh else []
    done = {(each["source"], each["env_id"]) for each in found}
    wanted = [(mode, env_id) for mode in options.mode or MODES for env_id in envs if (mode, env_id) not in done]
    for mode, env_id in tqdm(wanted, unit="file"):
        found.append(measure(env_id, mode, DemoFile(options.demos / env_id)))
        results.write_text(json.dumps(found, indent=1) + "\n")
        lines = rows(found)
        lost = [
            f"* {each['source']} to {layout}, {each['env_id']}: {count} x {reason}"
            for each in found
            for layout in TARGETS
            for reason, count in each[layout]["lost"].items()
        ]
        targets = ", ".join(f"`{layout}` in {target}" for layout, target in TARGETS.items())
        results.with_suffix(".md").write_text(
            f"# Demos of any control mode\n\n`demos`: planner demos, four of each task, that solve their task in the "
            f"source's control mode too, as ManiSkill records them. Per layout ({targets}): how many of them "
            "convert, and how long the converted episodes are compared with them.\n\n"
            f"```\n{table(lines, list(lines[0]))}\n```\n\nLost:\n\n" + ("\n".join(lost) or "none") + "\n"
        )
    print(results.with_suffix(".md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
