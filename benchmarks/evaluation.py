"""The bounds of closed-loop evaluation on six tasks: the planner above, random below, a dataset's own actions.

For each task, planner demos (`tests/data/demos` by default) are converted at 128 px and replayed with `mstool eval
--policy replay:`; `planner` and `random` run on unseen seeds. Then the speed with an untrained `act` checkpoint, which
costs what a small policy costs, with 1 and with N workers.

    python benchmarks/evaluation.py [--episodes 40] [--workers 2] [--demos DIR] [--work DIR] [--only planner,...]

Writes `benchmarks/results/evaluation.json` and `.md`; run again, it goes on where it stopped. Exit code 1 where a bound
is excluded by the 95 % interval: replay below 95 %, random above 5 %, the planner 5 points below its generation.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mstool.cli.output import say, table
from mstool.evaluation.evaluate import evaluate
from mstool.evaluation.plan import SUITES
from mstool.evaluation.request import EvalRequest
from mstool.evaluation.results import Results
from mstool.evaluation.statistics import wilson

HERE = Path(__file__).parent
ROOT = HERE.parent
TASKS = SUITES["seed6"]
REPLAY_LEAST, RANDOM_MOST, PLANNER_POINTS = 0.95, 0.05, 0.05
# Measured elsewhere: Pi0's success per task, and how often the planner generates a demo on seeds 0 to 49.
REFERENCE = HERE / "results" / "evaluation_reference.json"


def dataset(demos: Path, work: Path) -> Path:
    """Convert the six tasks' demos into one dataset, once."""
    root = work / "six"
    if not root.exists():
        words = ["--env", ",".join(TASKS), "--demos", demos, "--image-size", "128", "--output", root]
        subprocess.run([sys.executable, "-m", "mstool.cli", "convert", *words], check=True, stdout=sys.stderr)
    return root


def checkpoint(root: Path, work: Path) -> Path:
    """Save an untrained `act` checkpoint of LeRobot's default size."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.checkpoints import make_checkpoint

    run = work / "act"
    if not run.exists():
        more = {"dim_model": 512, "n_heads": 8, "dim_feedforward": 3200, "n_encoder_layers": 4}
        make_checkpoint(root, run, "act", **more, chunk_size=100, n_action_steps=10)
    return run


def bound(kind: str, root: Path, work: Path, options: argparse.Namespace) -> Results:
    """Evaluate one bound on all six tasks."""
    policy = f"replay:{root}" if kind == "replay" else kind
    return evaluate(
        EvalRequest(
            policy=policy,
            envs=TASKS,
            episodes=None if kind == "replay" else options.episodes,
            workers=options.workers,
            output=work / kind,
        ),
        say,
    )


def speed(run: Path, work: Path, workers: int) -> dict[str, Any]:
    """Measure steps/s of an untrained policy, two tasks, loading included."""
    wish = EvalRequest(
        policy=str(run),
        envs=("PickCube-v1", "PushCube-v1"),
        episodes=max(2, 2 * workers),
        horizon=100,
        workers=workers,
        output=work / f"speed{workers}",
        fresh=True,
    )
    found = evaluate(wish, say).timing
    return {
        name: found[name]
        for name in ("workers", "episodes", "steps", "seconds", "steps_per_second", "inferences", "inference_seconds")
    }


def success(results: Results) -> dict[str, tuple[int, int]]:
    """Return {task: (solved at the end, episodes)} of a replay, {task: (solved once, episodes)} of the others."""
    at_end = results.policy.startswith("replay")
    return {
        task.env_id: (sum(o.success_at_end if at_end else o.success_once for o in task.ran), len(task.ran))
        for task in results.tasks
    }


def check(found: dict[str, dict[str, tuple[int, int]]], generation: dict[str, float]) -> list[str]:
    """Say which bounds cannot hold: those outside the measured rate's 95 % interval."""
    wrong = []
    for env in TASKS:
        for kind, least, most in (
            ("replay", REPLAY_LEAST, 1.0),
            ("random", 0.0, RANDOM_MOST),
            ("planner", generation[env] - PLANNER_POINTS, 1.0),
        ):
            solved, episodes = found.get(kind, {}).get(env, (0, 0))
            interval = wilson(solved, episodes) if episodes else None
            if interval and not (interval[1] >= least and interval[0] <= most):
                wrong.append(f"{kind} on {env}: {solved}/{episodes}, not {100 * least:.0f} to {100 * most:.0f} %")
    return wrong


def main() -> int:
    """Run what was asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--demos", type=Path, default=ROOT / "tests" / "data" / "demos")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "mstool-evaluation")
    parser.add_argument("--only", default="replay,planner,random,speed")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    kinds = options.only.split(",")
    started = time.monotonic()
    path = HERE / "results" / "evaluation.json"
    document = json.loads(path.read_text()) if path.exists() else {"bounds": {}, "speed": []}
    root = dataset(options.demos, options.work) if {"replay", "speed"} & set(kinds) else Path()
    for kind in ("replay", "planner", "random"):
        if kind in kinds:
            document["bounds"][kind] = success(bound(kind, root, options.work, options))
    if "speed" in kinds:
        run = checkpoint(root, options.work)
        document["speed"] = [speed(run, options.work, n) for n in sorted({1, options.workers})]
        document["machine"] = f"{len(os.sched_getaffinity(0))} cores"
    reference = json.loads(REFERENCE.read_text())
    pi0, generation = reference["pi0"]["success"], reference["generation"]["success"]
    rows = [
        {"task": env, "Pi0": f"{100 * pi0[env]:.1f} %", "generation": f"{100 * generation[env]:.0f} %"}
        | {kind: f"{found[env][0]}/{found[env][1]}" for kind, found in document["bounds"].items() if env in found}
        for env in TASKS
    ]
    text = table(rows, list(rows[0]))
    fast = table(document["speed"], list(document["speed"][0])) if document["speed"] else "not measured"
    wrong = check(document["bounds"], generation)
    print(f"{text}\n\n{fast}\n\n{'; '.join(wrong) or 'all bounds hold'}\n{time.monotonic() - started:.0f} s")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    notes = [
        f"`Pi0`: {reference['pi0']['what']}",
        f"`generation`: {reference['generation']['what']}",
        "`replay`: stored actions from their own seeds, solved at the end.",
        "`planner`, `random`: unseen seeds from 10000 on, solved once.",
        f"{'; '.join(wrong) or 'All bounds hold.'}",
    ]
    listed = "\n".join(f"* {note}" for note in notes)
    path.with_suffix(".md").write_text(
        f"# Closed-loop evaluation: its bounds\n\n```\n{text}\n```\n\n{listed}\n\n## Speed\n\n"
        f"An untrained `act` of LeRobot's default size, two 128 px views, {document.get('machine', '')}:\n\n"
        f"```\n{fast}\n```\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
