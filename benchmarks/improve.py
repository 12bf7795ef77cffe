"""Reinforcement learning on top of imitation, beside its controls at equal time: generate, convert, finetune, improve.

    python benchmarks/improve.py --tasks PickCube-v1 --methods fql,best-of-n --minutes 4 --limit 580 --output runs/rl
    python benchmarks/improve.py --tasks PickCube-v1 --checkpoint runs/pick --dataset data/pick --minutes 20
    python benchmarks/improve.py --combine runs/rl/results.json MORE/results.json

For each task: demos and a dataset (made once in `--work`), a flow policy trained for `--train-minutes`, its evaluation
on unseen seeds, then each method and seed for `--minutes` from that same policy, and its evaluation on the same seeds.
The method `imitation` is more imitation: `finetune --init`. Results are written after every stage, and what there is of
an evaluation when `--limit` comes counts. `--combine` writes `benchmarks/results/improve.json` and `.md`.
"""

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from flow_ten_tasks import COMMANDS, RESULTS, Bench, cells, machine, rates

from mstool.atomic import replace_text
from mstool.cli.output import table
from mstool.evaluation.plan import SUITES
from mstool.evaluation.policies.checkpoint import find_checkpoint
from mstool.improvement.curve import smoothed

METHODS = ("fql", "best-of-n", "bc-success", "dsrl", "imitation")
# From the command to its first update, s.
START_S = 45


class ImproveBench(Bench):
    """One policy of each task, and what the methods make of it."""

    def save(self) -> None:
        """Write the results as they stand."""
        document = {
            "words": shlex.join(["python", "benchmarks/improve.py", *sys.argv[1:]]),
            "machine": machine(),
            "tasks": self.policies,
        }
        text = json.dumps(document, indent=1).replace(str(self.work), "WORK")
        replace_text(self.options.output / "results.json", text + "\n")

    def task(self, env_id: str) -> None:
        """Make one task's policy, improve it in every way, evaluate all."""
        entry: dict[str, Any] = {"env_id": env_id, "runs": []}
        self.policies.append(entry)
        root, base = self.options.dataset, self.options.checkpoint
        if base is None:
            root, entry["made"] = self.prepared(env_id, {command: self.common[command] for command in COMMANDS})
            self.save()
            if root is None:
                return
            base = self.work / "runs" / env_id
            if not (base / "checkpoints" / "last").is_dir():
                words = ["--minutes", self.options.train_minutes, *self.common["finetune"], "--output", base]
                entry["finetune"] = self.run(f"finetune-{env_id}", "finetune", root, *words)
                if entry["finetune"].get("failed"):
                    self.save()
                    return
        entry["before"] = self.evaluated(base, env_id, f"{env_id}-before")
        self.save()
        for seed in self.options.seeds.split(","):
            for method in self.options.methods.split(","):
                entry["runs"].append(self.improved(env_id, method, int(seed), base, root))
                self.save()

    def improved(self, env_id: str, method: str, seed: int, base: Path, root: Path | None) -> dict[str, Any]:
        """Go on from a policy by one method, and evaluate."""
        name = f"{env_id}-{method}-{seed}"
        output = self.work / "improved" / name
        minutes = min(self.options.minutes, (self.left - self.options.reserve - START_S) / 60)
        found: dict[str, Any] = {"method": method, "seed": seed, "minutes": round(minutes, 2)}
        if minutes <= 0:
            return {**found, "failed": "no time is left"}
        data = ["--dataset", root] if root is not None else []
        if method == "imitation":
            words = ["finetune", root, "--init", find_checkpoint(str(base)), "--seed", seed]
        else:
            words = ["improve", base, "--env", env_id, *data, "--method", method, "--seed", seed]
            words += ["--workers", self.options.workers or max(1, self.cores - 1), "--replan", self.options.replan]
            words += shlex.split(self.options.words)
        found["run"] = self.run(name, *words, "--minutes", round(minutes, 3), "--output", output)
        if not found["run"].get("failed"):
            curve = output / "curve.json"
            found["curve"] = json.loads(curve.read_text())["rounds"] if curve.is_file() else []
            found["after"] = self.evaluated(output, env_id, name)
        return found

    def evaluated(self, policy: Path, env_id: str, name: str) -> dict[str, Any]:
        """Evaluate on unseen seeds of the task: those of `mstool eval`."""
        folder = self.work / "eval" / name
        document = self.run(
            f"eval-{name}", "eval", "--policy", policy, "--env", env_id, "--episodes", self.options.eval_episodes,
            "--replan", self.options.replan, "--workers", self.options.workers or max(1, self.cores - 1),
            *self.common["eval"], "--output", folder,
        )  # fmt: skip
        return {"seconds": document.get("seconds"), "failed": document.get("failed"), "tasks": rates(folder)}


def as_table(tasks: list[dict[str, Any]]) -> str:
    """Return the table: the policy before, then a row for each method and seed."""
    rows = []
    for entry in tasks:
        found = [{"method": "before", "after": entry.get("before", {})}, *entry["runs"]]
        for run in found:
            curve = run.get("curve", [])
            own = smoothed(curve, "at_end")
            rows += [
                {
                    "task": entry["env_id"],
                    "method": run["method"],
                    "seed": run.get("seed", ""),
                    "minutes": run.get("minutes", ""),
                    "own episodes": sum(point["episodes"] for point in curve) or "",
                    "steps": curve[-1]["steps"] if curve else "",
                    "updates": curve[-1]["updates"] if curve else "",
                    "own, lowest": f"{100 * min(own):.0f} %" if own else "",
                    **cells(task),
                }
                for task in run.get("after", {}).get("tasks", [])
            ]
    return table(rows, list(rows[0])) if rows else "nothing was evaluated"


def combine(paths: list[Path]) -> None:
    """Write the results of several runs as one document and one table."""
    runs = [json.loads(path.read_text()) for path in paths]
    lines = ["# Reinforcement learning on top of imitation"]
    lines += [f"```\n{as_table([entry for run in runs for entry in run['tasks']])}\n```"]
    lines.append(
        "`before` is the flow policy that all start from. `own, lowest` is the least success at the end over 64 own "
        "episodes: the dip. `once` and `at end` are of unseen seeds, the same for all."
    )
    lines += [f"{run['machine']}:\n\n    {run['words']}" for run in runs]
    (RESULTS / "improve.md").write_text("\n\n".join(lines) + "\n")
    (RESULTS / "improve.json").write_text(json.dumps(runs, indent=1) + "\n")
    print(lines[1])


def main() -> None:
    """Improve every task's policy in every way, or combine the results of earlier runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default=",".join(SUITES["seed6"]), help="comma-separated; default: six")
    parser.add_argument("--methods", default=",".join(METHODS), help="comma-separated; default: all")
    parser.add_argument("--seeds", default="0", help="comma-separated")
    parser.add_argument("--minutes", type=float, default=20, help="of each method")
    parser.add_argument("--train-minutes", type=float, default=5, help="of the policy that they start from")
    parser.add_argument("--episodes", type=int, default=300, help="demos per task")
    parser.add_argument("--eval-episodes", type=int, default=100)
    parser.add_argument("--replan", type=int, default=8, help="actions executed of a chunk, in all evaluations too")
    parser.add_argument("--workers", type=int, help="default: the cores but one")
    parser.add_argument("--limit", type=float, default=7200, help="seconds for everything")
    parser.add_argument("--reserve", type=float, default=75, help="seconds kept for an evaluation")
    parser.add_argument("--checkpoint", type=Path, help="a trained policy to start from, of the one task")
    parser.add_argument("--dataset", type=Path, help="what it was trained on")
    parser.add_argument("--demos", type=Path, help="demos that are there: a folder with one for each task")
    parser.add_argument("--common", default="", help="COMMAND: WORDS; ... for generate, convert, finetune, eval")
    parser.add_argument("--words", default="", help="more words for improve")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "mstool-improve")
    parser.add_argument("--output", type=Path, default=Path("runs") / "improve-bench", help="results and logs")
    parser.add_argument("--combine", type=Path, nargs="+", metavar="RESULTS.json", help="write the table, run nothing")
    options = parser.parse_args()
    if options.combine:
        combine(options.combine)
        return
    bench = ImproveBench(options)
    for env_id in options.tasks.split(","):
        bench.task(env_id)
    bench.save()
    print(as_table(bench.policies))


if __name__ == "__main__":
    main()
